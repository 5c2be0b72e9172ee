# ganglion_embed(TARGET FILE HEADER NAME): the text of FILE as `inline constexpr char NAME[]` in HEADER.
function(ganglion_embed TARGET FILE HEADER NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${FILE})
  file(READ ${CMAKE_CURRENT_SOURCE_DIR}/${FILE} text)
  set(content "#pragma once\n\nnamespace ganglion::cli {\n\ninline constexpr char ${NAME}[] = R\"~~~~(${text})~~~~\";\n\n}  // namespace ganglion::cli\n")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${HEADER} CONTENT "@content@" @ONLY)
  target_include_directories(${TARGET} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
