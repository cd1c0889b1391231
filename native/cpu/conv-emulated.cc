// The logic of convolutions on the AMX unit with the scalar twin of the tiles, for machines without AMX: slow, for tests only.
#include "amx/conv-tiles.h"
