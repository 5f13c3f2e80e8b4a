/* Without the libraries nothing is fetched; what is there can still be listed and looked at. */
#include "tools/fetch/digest.h"
#include "tools/fetch/download.h"
#include "tools/fetch/unpack.h"

bnn_code bnn_fetch_usable(bnn_error *err) {
    return bnn_fail(err, BNN_ERR_UNSUPPORTED,
                    "this was built without %s, so it neither fetches nor computes checksums",
                    BNN_FETCH_WITHOUT);
}

bnn_code bnn_digest_new(int md5, int sha256, bnn_digest **out, bnn_error *err) {
    (void)md5;
    (void)sha256;
    *out = NULL;
    return bnn_fetch_usable(err);
}

void bnn_digest_add(bnn_digest *digest, const void *bytes, size_t count) {
    (void)digest;
    (void)bytes;
    (void)count;
}

void bnn_digest_end(bnn_digest *digest, bnn_digests *out) {
    (void)digest;
    if (out) {
        *out = (bnn_digests){"", ""};
    }
}

bnn_code bnn_download_file(const bnn_download *download, bnn_error *err) {
    (void)download;
    return bnn_fetch_usable(err);
}

bnn_code bnn_unpack_archive(const bnn_unpack *unpack, bnn_error *err) {
    (void)unpack;
    return bnn_fetch_usable(err);
}
