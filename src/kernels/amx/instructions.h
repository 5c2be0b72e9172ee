// The tile instructions, by their names in the manual, as the compiler has them. A header of its own, for a program of
// tests puts a model of them in its place (tests/tiles).
#pragma once

#include <immintrin.h>
