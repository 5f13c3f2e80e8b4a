#include "tools/report/html.h"

#include <math.h>
#include <stdint.h>

#include "engine/base/text.h"

/* Of XML 1.0's characters, those that UTF-8 can still encode and XML forbids. */
static int forbidden(const unsigned char *text, size_t length) {
    return (length == 1 && text[0] < 0x20 && text[0] != '\t' && text[0] != '\n') ||
           (length == 3 && text[0] == 0xEF && text[1] == 0xBF && text[2] >= 0xBE);
}

void bnn_html_text(FILE *out, const char *text) {
    while (*text) {
        size_t length = bnn_utf8_length(text, 4);
        if (!length || forbidden((const unsigned char *)text, length)) {
            fputs("\xef\xbf\xbd", out);
            length = 1 + (length == 3 ? 2 : 0);
        } else if (*text == '<') {
            fputs("&lt;", out);
        } else if (*text == '>') {
            fputs("&gt;", out);
        } else if (*text == '&') {
            fputs("&amp;", out);
        } else if (*text == '"') {
            fputs("&#34;", out);
        } else if (*text == '\'') {
            fputs("&#39;", out);
        } else {
            fwrite(text, 1, length, out);
        }
        text += length;
    }
}

/* Colours are variables; s0 to s8 are the series', each with a dash and a mark of its own. */
static const char style[] =
    ":root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#16181d;--soft:#5a606b;"
    "--line:#dcdcd6;--grid:#e8e8e3;--heat:34,112,200;--s0:#2467b5;--s1:#b8500b;--s2:#17795a;"
    "--s3:#7446bd;--s4:#b82e70;--s5:#7d6100;--s6:#00727f;--s7:#565f6d;--s8:#a32a1f}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#121316;--card:#1b1d21;--ink:#eceef2;"
    "--soft:#a3abb8;--line:#34373e;--grid:#2a2d33;--heat:70,148,235;--s0:#74b3f7;--s1:#f2a066;"
    "--s2:#55c9a0;--s3:#bda4f5;--s4:#f08fbb;--s5:#dcbd58;--s6:#58c6d6;--s7:#aeb8c6;--s8:#f28b7d}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"
    "'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
    "main{max-width:1120px;margin:0 auto;padding:28px 20px 56px}\n"
    "h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}\n"
    "h2{font-size:18px;margin:0 0 4px}h3{font-size:15px;margin:20px 0 6px;overflow-wrap:anywhere}\n"
    "p{margin:0 0 10px}.sub,.note,figcaption{color:var(--soft)}.sub{overflow-wrap:anywhere}\n"
    ".note,figcaption{font-size:13.5px}code{overflow-wrap:anywhere;font-size:.93em}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:18px 20px;margin-top:18px}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;"
    "margin-top:18px}\n"
    ".tile{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:12px 16px}.tile b{display:block;font-size:23px;line-height:1.3;font-weight:650}"
    ".tile span{color:var(--soft);font-size:13px}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));"
    "gap:18px}figure{margin:0;min-width:0}svg{display:block;width:100%;height:auto}\n"
    "svg text{font-size:12.5px;fill:var(--soft);font-family:inherit}svg text.t{fill:var(--ink);"
    "font-weight:600}\n"
    ".g{stroke:var(--grid)}.a{stroke:var(--soft)}.l{fill:none;stroke-width:2;"
    "stroke-linejoin:round}.m{stroke-width:1.6}.bar{fill:var(--s0)}\n"
    ".c0{stroke:var(--s0)}.c1{stroke:var(--s1)}.c2{stroke:var(--s2)}.c3{stroke:var(--s3)}"
    ".c4{stroke:var(--s4)}.c5{stroke:var(--s5)}.c6{stroke:var(--s6)}.c7{stroke:var(--s7)}.c8{"
    "stroke:var(--s8)}\n"
    ".f0{fill:var(--s0)}.f1{fill:var(--s1)}.f2{fill:var(--s2)}.f3{fill:var(--s3)}"
    ".f4{fill:var(--s4)}.f5{fill:var(--s5)}.f6{fill:var(--s6)}.f7{fill:var(--s7)}.f8{fill:var(--s8)"
    "}"
    ".hollow{fill:var(--card)}.dots{fill:none;stroke-width:3.4;stroke-linecap:round}\n"
    ".shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,200px),1fr));"
    "gap:18px;margin-bottom:6px}.pixels{fill:none;shape-rendering:crispEdges}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;"
    "font-size:14px}table.heat{width:100%}.heat td,"
    ".heat thead th{text-align:center}.heat thead th:first-child{text-align:left}\n"
    "th,td{padding:4px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid "
    "var(--line)}th{font-weight:600}thead th{color:var(--soft);font-weight:500;"
    "vertical-align:bottom}tbody th,thead th:first-child{text-align:left}"
    "tbody th{font-weight:500}\n"
    "td.h{background:rgba(var(--heat),var(--q));border:1px solid var(--card);min-width:52px}\n"
    "tr.sum th,tr.sum td{border-top:2px solid var(--line);font-weight:650}td.t,th.t{text-align:"
    "left}\n"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));"
    "gap:0 36px;margin:0}.facts div{display:flex;justify-content:space-between;gap:16px;"
    "border-bottom:1px solid var(--line);padding:5px 0}.facts dt{color:var(--soft)}.facts dd{"
    "margin:0;text-align:right;overflow-wrap:anywhere}\n"
    "th svg,td svg{width:44px;display:inline-block;vertical-align:middle}td svg.fill{display:block;"
    "width:100%;height:14px;min-width:80px}td svg.pair{display:block;width:100%;min-width:220px}"
    "td.fill,td.pair{width:99%}td.p{white-space:normal;overflow-wrap:anywhere;min-width:150px;"
    "text-align:left}details{margin-top:8px}summary{cursor:pointer}\n"
    "@media print{section{break-inside:avoid}body{background:none}}\n"
    "@media (max-width:560px){main{padding:18px 12px 36px}section{padding:14px 12px}"
    "th,td{padding:4px 6px}h1{font-size:22px}table{font-size:13px}td.h{min-width:0}}\n";

void bnn_html_begin_again(FILE *out, const char *title, const char *subtitle, int seconds) {
    fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n",
          out);
    if (seconds > 0) {
        fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\"/>\n", seconds);
    }
    bnn_html_element(out, "title", title);
    fprintf(out, "\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", style);
    bnn_html_element(out, "h1", title);
    fputs("\n<p class=\"sub\">", out);
    bnn_html_text(out, subtitle);
    fputs("</p>\n", out);
}

void bnn_html_begin(FILE *out, const char *title, const char *subtitle) {
    bnn_html_begin_again(out, title, subtitle, 0);
}

void bnn_html_end(FILE *out) {
    fputs("</main>\n</body>\n</html>\n", out);
}

void bnn_html_section(FILE *out, const char *heading, const char *note) {
    fputs("<section>\n", out);
    bnn_html_element(out, "h2", heading);
    fputs("\n", out);
    if (note) {
        fputs("<p class=\"note\">", out);
        bnn_html_text(out, note);
        fputs("</p>\n", out);
    }
}

void bnn_html_section_end(FILE *out) {
    fputs("</section>\n", out);
}

void bnn_html_element(FILE *out, const char *tag, const char *text) {
    fprintf(out, "<%s>", tag);
    bnn_html_text(out, text);
    fprintf(out, "</%s>", tag);
}

/* Not to full colour: the text must stay readable on it, in light and in dark. */
static double shade(double place) {
    return 0.04 + 0.56 * place;
}

void bnn_html_heat_cell(FILE *out, double value, double low, double high) {
    if (isnan(value)) {
        fputs("<td>-</td>", out);
        return;
    }
    double place = high > low ? fmin(fmax((value - low) / (high - low), 0.0), 1.0) : 0.0;
    fprintf(out, "<td class=\"h\" style=\"--q:%.2f\">%.2f</td>", shade(place), value);
}

void bnn_html_heat_count(FILE *out, int64_t value, int64_t most) {
    fprintf(out, "<td class=\"h\" style=\"--q:%.2f\">%lld</td>",
            shade((double)value / (double)most), (long long)value);
}

void bnn_html_number_cell(FILE *out, double value, int digits) {
    if (isnan(value)) {
        fputs("<td>-</td>", out);
    } else {
        fprintf(out, "<td>%.*f</td>", digits, value);
    }
}

void bnn_html_link(FILE *out, const char *to, const char *text) {
    fputs("<a href=\"", out);
    bnn_html_text(out, to);
    fputs("\">", out);
    bnn_html_text(out, text);
    fputs("</a>", out);
}
