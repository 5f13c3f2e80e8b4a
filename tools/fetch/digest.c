#include "tools/fetch/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct bnn_digest {
    EVP_MD_CTX *md5, *sha256;
};

bnn_code bnn_fetch_usable(bnn_error *err) {
    (void)err;
    return BNN_OK;
}

static EVP_MD_CTX *begin(const EVP_MD *kind) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestInit_ex(context, kind, NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    return context;
}

bnn_code bnn_digest_new(int md5, int sha256, bnn_digest **out, bnn_error *err) {
    bnn_digest *d = *out = calloc(1, sizeof *d);
    if (d) {
        d->md5 = md5 ? begin(EVP_md5()) : NULL;
        d->sha256 = sha256 ? begin(EVP_sha256()) : NULL;
    }
    if (!d || (md5 && !d->md5) || (sha256 && !d->sha256)) {
        bnn_digest_end(d, NULL);
        *out = NULL;
        return bnn_fail(err, BNN_ERR_MEMORY, "checksums: libcrypto does not offer %s",
                        md5 ? "MD5 or SHA-256" : "SHA-256");
    }
    return BNN_OK;
}

void bnn_digest_add(bnn_digest *d, const void *bytes, size_t count) {
    if (d->md5) {
        EVP_DigestUpdate(d->md5, bytes, count);
    }
    if (d->sha256) {
        EVP_DigestUpdate(d->sha256, bytes, count);
    }
}

static void end(EVP_MD_CTX *context, char *out) {
    static const char digits[] = "0123456789abcdef";
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (context && out && EVP_DigestFinal_ex(context, value, &length) == 1) {
        for (unsigned i = 0; i < length; i++) {
            *out++ = digits[value[i] >> 4];
            *out++ = digits[value[i] & 15];
        }
        *out = '\0';
    }
    EVP_MD_CTX_free(context);
}

void bnn_digest_end(bnn_digest *d, bnn_digests *out) {
    if (out) {
        memset(out, 0, sizeof *out);
    }
    if (d) {
        end(d->md5, out ? out->md5 : NULL);
        end(d->sha256, out ? out->sha256 : NULL);
        free(d);
    }
}
