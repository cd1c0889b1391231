// Convolutions on the AMX unit, or on the scalar twin of its tiles.
#include "conv-tiles.h"
