/* Vector ops on constants, and on machines that have no code for one. */
#ifndef WAGI_COMPILER_FOLD_SIMD_H
#define WAGI_COMPILER_FOLD_SIMD_H

#include "binary/op.h"

/* Compute a vector op that does not access memory. slots: the operands in order, two slots each vector, replaced by the
 * result. immediate: 16 bytes, the lane in the first one, or a shuffle's lanes. */
void wagi_vector_apply(wagi_op op, uint64_t *slots, const uint8_t *immediate);

#endif
