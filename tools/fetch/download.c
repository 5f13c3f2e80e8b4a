#include "tools/fetch/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tools/fetch/digest.h"
#include "tools/fetch/path.h"

enum { CHUNK = 1 << 16, STALL_SECONDS = 60, CONNECT_SECONDS = 30, MOST_REDIRECTIONS = 10 };

typedef enum outcome { WHOLE, AGAIN, FROM_START, STOPPED, FAILED } outcome;

typedef struct transfer {
    const bnn_download *d;
    int fd;
    bnn_digest *digest;
    uint64_t have;
    bnn_progress progress;
    int too_large, reason; /* of a write that failed */
} transfer;

/* ---- what is there already ---- */

static size_t kilobytes(uint64_t bytes) {
    return (size_t)((bytes + 999) / 1000);
}

static bnn_code new_digest(transfer *t, bnn_error *err) {
    bnn_digest_end(t->digest, NULL);
    t->digest = NULL;
    return bnn_digest_new(t->d->md5 != NULL, t->d->sha256 != NULL, &t->digest, err);
}

static bnn_code start_over(transfer *t, const char *part, bnn_error *err) {
    t->have = 0;
    if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0) {
        return bnn_fail_errno(err, part, "write", errno);
    }
    return new_digest(t, err);
}

/* Opens what an earlier attempt left, and adds it to the checksums. */
static bnn_code open_part(transfer *t, const char *part, bnn_error *err) {
    static unsigned char chunk[CHUNK];
    ssize_t got = 0;
    bnn_code code = new_digest(t, err);
    t->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (t->fd < 0) {
        return bnn_fail_errno(err, part, "write", errno);
    }
    while (code == BNN_OK && !bnn_interrupted() && (got = read(t->fd, chunk, sizeof chunk)) > 0) {
        bnn_digest_add(t->digest, chunk, (size_t)got);
        t->have += (uint64_t)got;
    }
    if (code == BNN_OK && got < 0) {
        return bnn_fail_errno(err, part, "read", errno);
    }
    return code == BNN_OK && t->d->bytes && t->have > t->d->bytes ? start_over(t, part, err) : code;
}

/* ---- one attempt ---- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context) {
    transfer *t = context;
    (void)size; /* 1 */
    if (t->d->bytes && count > t->d->bytes - t->have) {
        t->too_large = 1;
        return 0;
    }
    for (size_t done = 0; done < count;) {
        const ssize_t written = write(t->fd, bytes + done, count - done);
        if (written < 0 && errno != EINTR) {
            t->reason = errno;
            return 0;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    bnn_digest_add(t->digest, bytes, count);
    t->have += count;
    return count;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up) {
    transfer *t = context;
    (void)up_total;
    (void)up;
    if (!t->d->bytes && total > 0 && now >= 0 && t->have >= (uint64_t)now) {
        t->progress.total = kilobytes(t->have - (uint64_t)now + (uint64_t)total);
    }
    bnn_progress_update(&t->progress, kilobytes(t->have), NULL);
    return bnn_interrupted();
}

static CURLcode set_up(CURL *curl, transfer *t, char *message) {
    const int safe = strncmp(t->d->url, "https:", 6) == 0;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, t->d->url);
#define SET(option, value) code = code ? code : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_ERRORBUFFER, message);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, safe ? "https" : "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, (long)MOST_REDIRECTIONS);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "bnn-data/" BNN_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    SET(CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->have);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, t);
#undef SET
    return code;
}

/* Not said: that nobody answered, or that it broke off. */
static outcome judge(const transfer *t, CURLcode code, long status, const char *message,
                     bnn_error *err) {
    const bnn_download *d = t->d;
    if (t->too_large) {
        bnn_fail(err, BNN_ERR_FORMAT, "%s: %s is larger than the %llu bytes that are published",
                 d->label, d->url, (unsigned long long)d->bytes);
        return FAILED;
    }
    switch (code) {
    case CURLE_OK:
        return WHOLE;
    case CURLE_ABORTED_BY_CALLBACK:
        return STOPPED;
    case CURLE_WRITE_ERROR:
        bnn_fail_errno(err, d->path, "write", t->reason ? t->reason : EIO);
        return FAILED;
    case CURLE_RANGE_ERROR:
        return FROM_START;
    case CURLE_HTTP_RETURNED_ERROR:
        if (status == 416) {
            return FROM_START;
        }
        bnn_fail(err, BNN_ERR_IO, "%s: %s answers HTTP %ld%s", d->label, d->url, status,
                 status == 404 ? "; it has moved, or try a --mirror" : "");
        return status >= 500 || status == 408 || status == 429 ? AGAIN : FAILED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        bnn_fail(err, BNN_ERR_IO, "%s: %s: %s; repeat the command to go on", d->label, d->url,
                 *message ? message : curl_easy_strerror(code));
        return AGAIN;
    default:
        bnn_fail(err, BNN_ERR_IO, "%s: %s: %s", d->label, d->url,
                 *message ? message : curl_easy_strerror(code));
        return FAILED;
    }
}

static outcome attempt(CURL *curl, transfer *t, bnn_error *err) {
    char message[CURL_ERROR_SIZE] = "";
    long status = 0;
    curl_easy_reset(curl);
    CURLcode code = set_up(curl, t, message);
    bnn_progress_start(&t->progress, t->d->label, kilobytes(t->d->bytes), "kB", kilobytes(t->have));
    code = code ? code : curl_easy_perform(curl);
    if (!code && !t->d->bytes) {
        t->progress.total = kilobytes(t->have);
    }
    t->progress.done = kilobytes(t->have);
    bnn_progress_end(&t->progress, NULL);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return judge(t, code, status, message, err);
}

/* ---- until it is here ---- */

static void wait_before(int failures) {
    struct timespec pause = {1L << (failures < 5 ? failures : 5), 0};
    if (!bnn_interrupted()) {
        nanosleep(&pause, NULL); /* a signal ends it */
    }
}

/* *whole: all that the server has is here. */
static bnn_code transfer_all(CURL *curl, transfer *t, const char *part, int *whole,
                             bnn_error *err) {
    int failures = 0, started_over = 0;
    *whole = t->d->bytes && t->have == t->d->bytes;
    while (!*whole && !bnn_interrupted()) {
        const uint64_t before = t->have;
        const outcome o = attempt(curl, t, err);
        *whole = o == WHOLE;
        failures = t->have > before ? 1 : failures + 1;
        if (o == FAILED || (o == AGAIN && failures >= t->d->tries)) {
            return err->code;
        }
        if (o == FROM_START) {
            bnn_code code = start_over(t, part, err);
            if (code != BNN_OK || started_over++) {
                return code ? code
                            : bnn_fail(err, BNN_ERR_IO, "%s: %s serves no whole file", t->d->label,
                                       t->d->url);
            }
        } else if (o == AGAIN) {
            fprintf(stderr, "bnn-data: note: %s; trying again\n", err->text);
            wait_before(failures);
        }
    }
    return BNN_OK;
}

static bnn_code refuse(const transfer *t, const char *part, const char *what, const char *is,
                       const char *published, bnn_error *err) {
    unlink(part);
    return bnn_fail(err, BNN_ERR_FORMAT,
                    "%s: its %s is %s, published is %s; it was removed, fetch it again or from "
                    "another --mirror",
                    t->d->label, what, is, published);
}

/* Is it what was published? */
static bnn_code verify(transfer *t, const char *part, bnn_error *err) {
    const bnn_download *d = t->d;
    bnn_digests found;
    char is[32], published[32];
    bnn_digest_end(t->digest, &found);
    t->digest = NULL;
    if (d->bytes && t->have != d->bytes) {
        snprintf(is, sizeof is, "%llu bytes", (unsigned long long)t->have);
        snprintf(published, sizeof published, "%llu", (unsigned long long)d->bytes);
        return refuse(t, part, "size", is, published, err);
    }
    if (d->sha256 && strcmp(found.sha256, d->sha256) != 0) {
        return refuse(t, part, "SHA-256", found.sha256, d->sha256, err);
    }
    if (d->md5 && strcmp(found.md5, d->md5) != 0) {
        return refuse(t, part, "MD5", found.md5, d->md5, err);
    }
    if (bnn_sync(t->fd) != 0 || rename(part, d->path) != 0) {
        return bnn_fail_errno(err, d->path, "write", errno);
    }
    return BNN_OK;
}

bnn_code bnn_download_file(const bnn_download *d, bnn_error *err) {
    char part[BNN_FETCH_PATH + 8];
    transfer t = {.d = d, .fd = -1};
    bnn_error why = {0};
    int whole = 0;
    if (access(d->path, F_OK) == 0) {
        return BNN_OK;
    }
    snprintf(part, sizeof part, "%s.part", d->path);
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
    bnn_code code = curl ? open_part(&t, part, &why)
                         : bnn_fail(&why, BNN_ERR_MEMORY, "%s: libcurl does not start", d->label);
    code = code == BNN_OK ? transfer_all(curl, &t, part, &whole, &why) : code;
    if (code == BNN_OK && whole && !bnn_interrupted()) {
        code = verify(&t, part, &why);
    }
    bnn_digest_end(t.digest, NULL);
    if (t.fd >= 0) {
        close(t.fd);
    }
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return code == BNN_OK ? BNN_OK : bnn_fail(err, code, "%s", why.text);
}
