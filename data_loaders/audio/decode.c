/* Codings by libsndfile, on the bytes that wav.c found, as headerless sound: a damaged header never
 * reaches it. */
#include <sndfile.h>
#include <string.h>

#include "data_loaders/audio/internal.h"

#define BLOCK 4096 /* samples read at once, of all channels */

/* The bytes as libsndfile's file. */
typedef struct memory {
    const unsigned char *bytes;
    sf_count_t size, at;
} memory;

static sf_count_t memory_size(void *user) {
    return ((const memory *)user)->size;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user) {
    memory *m = user;
    offset += whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->size : 0;
    m->at = offset < 0 ? 0 : offset > m->size ? m->size : offset;
    return m->at;
}

static sf_count_t memory_read(void *out, sf_count_t count, void *user) {
    memory *m = user;
    count = count < m->size - m->at ? count : m->size - m->at;
    memcpy(out, m->bytes + m->at, (size_t)count);
    m->at += count;
    return count;
}

static sf_count_t memory_tell(void *user) {
    return ((const memory *)user)->at;
}

static int subtype(bnn_coding coding) {
    switch (coding) {
    case BNN_CODING_U8:
        return SF_FORMAT_PCM_U8;
    case BNN_CODING_I16:
        return SF_FORMAT_PCM_16;
    case BNN_CODING_I24:
        return SF_FORMAT_PCM_24;
    case BNN_CODING_I32:
        return SF_FORMAT_PCM_32;
    case BNN_CODING_F32:
        return SF_FORMAT_FLOAT;
    case BNN_CODING_F64:
        return SF_FORMAT_DOUBLE;
    case BNN_CODING_ALAW:
        return SF_FORMAT_ALAW;
    default:
        return SF_FORMAT_ULAW;
    }
}

static size_t read_frames(SNDFILE *file, int channels, size_t frames, float *out) {
    float block[BLOCK];
    size_t done = 0;
    while (done < frames) {
        size_t want = (size_t)(BLOCK / channels);
        want = want < frames - done ? want : frames - done;
        sf_count_t got = sf_readf_float(file, block, (sf_count_t)want);
        if (got <= 0) {
            break;
        }
        for (sf_count_t i = 0; i < got; i++) {
            double sum = 0;
            for (int c = 0; c < channels; c++) {
                sum += (double)block[i * channels + c];
            }
            out[done++] = (float)(sum / channels);
        }
    }
    return done;
}

bnn_code bnn_wav_decode(const char *name, const bnn_wav *wav, size_t frames, float *out,
                        bnn_error *err) {
    size_t bytes = frames * (size_t)wav->channels * bnn_coding_bytes(wav->coding);
    memory m = {.bytes = wav->data, .size = (sf_count_t)bytes};
    SF_VIRTUAL_IO io = {
        .get_filelen = memory_size, .seek = memory_seek, .read = memory_read, .tell = memory_tell};
    SF_INFO info = {.samplerate = wav->rate,
                    .channels = wav->channels,
                    .format = SF_FORMAT_RAW | SF_ENDIAN_LITTLE | subtype(wav->coding)};
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &m);
    size_t done = file ? read_frames(file, wav->channels, frames, out) : 0;
    if (file) {
        sf_close(file);
    }
    if (done < frames) {
        return bnn_fail(err, BNN_ERR_MEMORY,
                        "%s: libsndfile decodes %zu of %zu samples; is there memory left?", name,
                        done, frames);
    }
    return BNN_OK;
}
