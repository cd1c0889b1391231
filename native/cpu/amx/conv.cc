// Convolutions on the AMX unit.
#include "conv-tiles.h"
