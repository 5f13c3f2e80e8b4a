/* IEEE 754 half precision, as files hold it; nothing here computes with it. */
#ifndef BNN_ENGINE_BASE_HALF_H
#define BNN_ENGINE_BASE_HALF_H

#include <stddef.h>
#include <stdint.h>

float bnn_half_value(uint16_t half);
/* The nearest, in a tie the even one; infinite from 65520 on. */
uint16_t bnn_half_of(float value);
/* The same numbers as halves. 0 if one of them is none, where the result is of no use. */
int bnn_half_all(size_t count, const float *values, uint16_t *halves);

#endif
