/* IEEE 754 half precision, as files hold it; nothing here computes with it. */
#ifndef BNN_ENGINE_BASE_HALF_H
#define BNN_ENGINE_BASE_HALF_H

#include <stddef.h>
#include <stdint.h>

float bnn_half_value(uint16_t half);
/* The nearest, in a tie the even one; infinite from 65520 on. */
uint16_t bnn_half_of(float value);
/* Whether halves say all of them exactly; what these are. */
int bnn_half_are(size_t count, const float *values);
void bnn_half_list(size_t count, const float *values, uint16_t *halves);

#endif
