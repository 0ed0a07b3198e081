#pragma once
#include "models/blocks/block.h"

namespace bessemer::models {

/// layer.run(pass). Under Recompute::kFull, where gradients are wanted, only the layer's input is kept: its backward
/// runs the layer again (the hooks before and after, too), and then the backward of that. The same bits: masks of
/// dropout are functions of their place, and the input is kept with its branch added, which rounds as the layer's norm
/// does. `layer` must outlive the backward. Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
void run_layer(Block& layer, Pass& pass, Recompute recompute);

}  // namespace bessemer::models
