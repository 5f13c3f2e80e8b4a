/* Whole numbers in a file of JSON, with a blank between them: a line, where an array would be
 * thousands. */
#ifndef BNN_TOOLS_RUN_NUMBERS_H
#define BNN_TOOLS_RUN_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* Exactly one of the two is given. NULL when memory is out. */
json_t *bnn_numbers_json(const int16_t *small, const int32_t *large, size_t count);
/* Exactly so many numbers, of at most four digits and from `least` to `most`, into one of the two;
 * 0: it is not that. */
int bnn_numbers_read(const json_t *json, int least, int most, size_t count, int16_t *small,
                     int32_t *large);

#endif
