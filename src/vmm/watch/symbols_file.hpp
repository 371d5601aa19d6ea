// Reads the file of --symbols.
#pragma once

#include <string>

#include "observe/symbols.hpp"

namespace rvvmm {

/// Throws SetupError (kBadInput).
Symbols read_symbols(const std::string& path);

}  // namespace rvvmm
