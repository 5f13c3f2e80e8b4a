/* The table of a sweep's cells as a page, which a browser reads again and again while it changes.
 */
#ifndef BNN_TOOLS_REPORT_SWEEP_PAGE_H
#define BNN_TOOLS_REPORT_SWEEP_PAGE_H

#include <jansson.h>
#include <limits.h>

#include "engine/base/status.h"

/* How a page leads to what lies in the sweep's folder: "" or "PATH/". */
const char *bnn_page_link_base(const char *page, const char *sweep, char base[PATH_MAX + 2]);
/* Writes `status`, which is bnn_sweep_status's, to the file `page`. `seconds`: until the reader is
 * to look again, as long as a cell waits or runs. */
bnn_code bnn_sweep_page(const json_t *status, const char *folder, const char *page, int seconds,
                        bnn_error *err);

#endif
