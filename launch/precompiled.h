// The engine's precompiled header: what nearly every file of it needs and what takes longest to read.
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "launch/precompiled_core.h"
