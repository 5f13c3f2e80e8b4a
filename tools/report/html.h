/* Pages of HTML that are XML, too: one file, no script, nothing from elsewhere; light or dark as
 * the reader's system is. */
#ifndef BNN_TOOLS_REPORT_HTML_H
#define BNN_TOOLS_REPORT_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Escaped; what is no text in XML (control characters, bad UTF-8) becomes U+FFFD. */
void bnn_html_text(FILE *out, const char *text);
/* Up to the page's heading. */
void bnn_html_begin(FILE *out, const char *title, const char *subtitle);
/* Of a page that changes: a browser reads it again after so many seconds; 0: it does not. */
void bnn_html_begin_again(FILE *out, const char *title, const char *subtitle, int seconds);
void bnn_html_end(FILE *out);
/* <section> with a heading; `note` (or NULL) under it. */
void bnn_html_section(FILE *out, const char *heading, const char *note);
void bnn_html_section_end(FILE *out);
/* <tag>text</tag>, escaped. */
void bnn_html_element(FILE *out, const char *tag, const char *text);
/* <a href="to">text</a>, escaped. */
void bnn_html_link(FILE *out, const char *to, const char *text);

/* A cell of a heat map: the value is printed, and shaded by its place between `low` and `high`.
 * NAN: a dash. */
void bnn_html_heat_cell(FILE *out, double value, double low, double high);
/* Of a count between 0 and `most`. */
void bnn_html_heat_count(FILE *out, int64_t value, int64_t most);
/* A number in a cell with its digits, a dash for NAN. */
void bnn_html_number_cell(FILE *out, double value, int digits);

#endif
