/* One picture of what corruptions do, to be looked at: a row a corruption; for each of a few images
 * the clean one and the severities side by side. */
#ifndef BNN_TOOLS_CORRUPT_CONTACT_SHEET_H
#define BNN_TOOLS_CORRUPT_CONTACT_SHEET_H

#include "tools/corrupt/corruption_list.h"

/* Writes a PNG file, whole or not at all. */
bnn_code bnn_contact_sheet(const char *path, const bnn_corruptor *corruptor,
                           const bnn_dataset *clean, const bnn_corruption_list *list,
                           bnn_error *err);

#endif
