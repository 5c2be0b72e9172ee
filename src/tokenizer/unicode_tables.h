// The generated code point tables behind unicode.h. Each is sorted, with disjoint ranges, both ends included.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ganglion::tokenizer {

struct CodePointRange {
  std::uint32_t first;
  std::uint32_t last;
};

extern const CodePointRange kLetters[];
extern const std::size_t kLettersCount;
extern const CodePointRange kNumbers[];
extern const std::size_t kNumbersCount;
extern const CodePointRange kSpaces[];
extern const std::size_t kSpacesCount;
extern const CodePointRange kWordCharacters[];
extern const std::size_t kWordCharactersCount;

}  // namespace ganglion::tokenizer
