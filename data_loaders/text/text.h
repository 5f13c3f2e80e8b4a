/* Text for the networks that read it: a sentence becomes the numbers of its pieces in a vocabulary
 * (WordPiece, lower-case, as BERT has it: Devlin et al., NAACL 2019), and one sentence or a pair
 * the fields that a network sees. Every file is hostile until checked. One decision: what Unicode
 * says of a character is utf8proc's to know; where the build found none, absent.c stands in for
 * wordpiece.c.
 */
#ifndef BNN_DATA_LOADERS_TEXT_TEXT_H
#define BNN_DATA_LOADERS_TEXT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/batch.h" /* BNN_TEXT_LEAST */
#include "engine/base/status.h"

/* ---- vocabularies ---- */
#define BNN_VOCAB_MOST (1u << 20) /* tokens */
#define BNN_TOKEN_MOST 1000       /* bytes */

/* The tokens that stand for no text. A vocabulary must have all but [MASK]. */
typedef enum bnn_special {
    BNN_TOKEN_UNK,
    BNN_TOKEN_SEP,
    BNN_TOKEN_PAD,
    BNN_TOKEN_CLS,
    BNN_TOKEN_MASK,
    BNN_SPECIALS
} bnn_special;
extern const char *const bnn_special_names[BNN_SPECIALS];

typedef struct bnn_vocab bnn_vocab; /* read only once made: from several threads at once */

/* Of a file's bytes (vocab.txt: a token a line, its number is the line's, from 0), of which it
 * keeps a copy. Lines may end in CRLF. An error names `name` and the line. */
bnn_code bnn_vocab_parse(const char *name, const unsigned char *bytes, size_t size, bnn_vocab **out,
                         bnn_error *err);
void bnn_vocab_free(bnn_vocab *vocab); /* NULL is fine */
/* How many tokens; every id is below. */
size_t bnn_vocab_tokens(const bnn_vocab *vocab);
/* What it was made of. */
const unsigned char *bnn_vocab_bytes(const bnn_vocab *vocab, size_t *size);
/* The most bytes of a token. */
size_t bnn_vocab_longest(const bnn_vocab *vocab);
/* -1: has no such token (only [MASK] may be missing). */
int32_t bnn_vocab_special(const bnn_vocab *vocab, bnn_special which);

/* Looking tokens up by their bytes, one after the other: what has been taken of a token is a hash,
 * so that all beginnings of a word cost no more than the word. */
typedef uint64_t bnn_token_hash;
#define BNN_TOKEN_HASH UINT64_C(0xcbf29ce484222325) /* of no bytes; FNV-1a */
static inline bnn_token_hash bnn_token_hash_add(bnn_token_hash hash, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
/* The id of prefix + the `size` bytes of `token`, whose hash together is given; -1: none. */
int32_t bnn_vocab_find(const bnn_vocab *vocab, const char *prefix, const char *token, size_t size,
                       bnn_token_hash hash);

/* ---- tokens ---- */
/* A list of ids that grows; begin with {0}, and free(id). */
typedef struct bnn_ids {
    int32_t *id;
    size_t count, capacity;
} bnn_ids;

/* BNN_ERR_UNSUPPORTED where WordPiece was left out of the build. */
bnn_code bnn_wordpiece_usable(bnn_error *err);
/* Appends the ids of a text of UTF-8 (which may hold NUL). As BERT's uncased tokenizer: controls
 * and formats go, Chinese characters stand alone, words are lower-case without accents, broken at
 * punctuation and into the longest pieces that the vocabulary has; a word of more than 100
 * characters, or with a piece that it has not, is [UNK]; a special token between white space is
 * itself. From several threads at once. An error names `name`. */
bnn_code bnn_wordpiece(const bnn_vocab *vocab, const char *name, const char *text, size_t size,
                       bnn_ids *out, bnn_error *err);

/* ---- what a network sees ---- */
/* [CLS] a [SEP] (b [SEP]), padded with [PAD] to `length` >= BNN_TEXT_LEAST: ids, segments (1 for b
 * and its [SEP]) and mask (1 where there is a token), [length] each. b is empty of a
 * single sentence. What is too long loses tokens at the end of the longer, of b where both are as
 * long. */
void bnn_text_features(const bnn_vocab *vocab, const bnn_ids *a, const bnn_ids *b, size_t length,
                       int32_t *ids, int32_t *segment, int32_t *mask);

#endif
