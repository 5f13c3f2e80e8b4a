/* io/torch_file.h: both of torch.save's formats come out as lists of tensors, whatever a checkpoint
 * holds beside them; a view that lies about its storage, an archive that lies about its entries and
 * a pickle that would run something are refused with one line. The files are made here, byte by
 * byte; tests/programs/test_torch.sh reads PyTorch's own. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/io/pickle.h"
#include "engine/io/torch_file.h"
#include "engine/io/zip.h"
#include "tests/fixtures/expect_error.h"

/* ---- pickles, as literals ---- */

#define N4(n) n "\0\0\0"
#define TEXT(length, text) "X" N4(length) text
#define CALLED(module, name) "c" module "\n" name "\n"
#define STORAGE_OF(type, key, items)                                                               \
    "(" TEXT("\7", "storage") type TEXT("\1", key) TEXT("\3", "cpu") "K" items "tQ"
#define STORAGE(key, items) STORAGE_OF(CALLED("torch", "FloatStorage"), key, items)
#define V2 CALLED("torch._utils", "_rebuild_tensor_v2")
/* `offset` and the rest are opcodes. */
#define VIEW(storage, offset, shape, stride) V2 "(" storage offset shape stride "\x89)tR"
/* Of storage "0", which has 6 floats. */
#define W(offset, shape, stride) VIEW(STORAGE("0", "\6"), offset, shape, stride)
#define ROWS W("K\0", "K\2K\3\x86", "K\3K\1\x86")
#define ONE W("K\5", ")", ")")
#define ORDERED CALLED("collections", "OrderedDict") ")R"
#define START "\x80\2"

typedef struct bytes {
    const char *bytes;
    size_t size;
} bytes;
#define BYTES(literal)                                                                             \
    { literal, sizeof(literal) - 1 }

/* ---- files ---- */

static unsigned char file[65536];
static size_t file_size;

static void put(const void *data, size_t size) {
    ck_assert_uint_le(file_size + size, sizeof file);
    memcpy(file + file_size, data, size);
    file_size += size;
}

static void put_number(uint64_t number, int width) {
    for (int i = 0; i < width; i++) {
        const unsigned char byte = (unsigned char)(i < 8 ? number >> (8 * i) : 0);
        put(&byte, 1);
    }
}

/* Six floats 0.5, 1.5, ... */
static const float numbers[6] = {0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f};

typedef struct entry {
    const char *name;
    const void *data;
    size_t size;
    int method, flags;
} entry;

/* A zip archive; with zip64 all sizes stand in extra fields. */
static void make_zip(const entry *entries, size_t count, int zip64) {
    size_t at[8];
    file_size = 0;
    for (size_t i = 0; i < count; i++) {
        const entry *e = &entries[i];
        at[i] = file_size;
        put("PK\3\4\0\0", 6);
        put_number((uint64_t)e->flags, 2);
        put_number((uint64_t)e->method, 2);
        put_number(0, 16); /* times, sum, sizes: the list at the end has them */
        put_number(strlen(e->name), 2);
        put_number(5, 2); /* as PyTorch pads */
        put(e->name, strlen(e->name));
        put("FB\1\0Z", 5);
        put(e->data, e->size);
    }
    size_t start = file_size;
    for (size_t i = 0; i < count; i++) {
        const entry *e = &entries[i];
        put("PK\1\2\0\0\0\0", 8);
        put_number((uint64_t)e->flags, 2);
        put_number((uint64_t)e->method, 2);
        put_number(0, 8);
        put_number(zip64 ? UINT32_MAX : e->size, 4);
        put_number(zip64 ? UINT32_MAX : e->size, 4);
        put_number(strlen(e->name), 2);
        put_number(zip64 ? 32 : 0, 2);
        put_number(0, 10);
        put_number(zip64 ? UINT32_MAX : at[i], 4);
        put(e->name, strlen(e->name));
        if (zip64) {
            put("\x55\x55\0\0\1\0\x18\0", 8);
            put_number(e->size, 8);
            put_number(e->size, 8);
            put_number(at[i], 8);
        }
    }
    size_t list = file_size - start, end = file_size;
    if (zip64) {
        put("PK\6\6", 4);
        put_number(44, 8);
        put_number(0, 12);
        put_number(count, 8);
        put_number(count, 8);
        put_number(list, 8);
        put_number(start, 8);
        put("PK\6\7\0\0\0\0", 8);
        put_number(end, 8);
        put_number(1, 4);
    }
    put("PK\5\6\0\0\0\0", 8);
    put_number(zip64 ? UINT16_MAX : count, 2);
    put_number(zip64 ? UINT16_MAX : count, 2);
    put_number(zip64 ? UINT32_MAX : list, 4);
    put_number(zip64 ? UINT32_MAX : start, 4);
    put_number(0, 2);
}

static void make_archive(bytes pickle, int zip64) {
    const entry entries[] = {{"m/data.pkl", pickle.bytes, pickle.size, 0, 0},
                             {"m/byteorder", "little", 6, 0, 0},
                             {"m/data/0", numbers, sizeof numbers, 0, 0},
                             {"m/data/1", numbers, 16, 0, 0}};
    make_zip(entries, 4, zip64);
}

static const bytes magic = BYTES(START "\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
static const bytes version = BYTES(START "M\xe9\3.");
static const bytes little = BYTES(START "}(" TEXT("\15", "little_endian") "\x88u.");

/* The format before the archive. */
static void make_stream(bytes pickle, bytes keys, int storages) {
    file_size = 0;
    put(magic.bytes, magic.size);
    put(version.bytes, version.size);
    put(little.bytes, little.size);
    put(pickle.bytes, pickle.size);
    put(keys.bytes, keys.size);
    for (int i = 0; i < storages; i++) {
        put_number(6, 8);
        put(numbers, sizeof numbers);
    }
}

/* From a heap copy of exact size, so that ASan sees a read past its end. */
static bnn_code parse(bnn_st_file **out, bnn_error *err) {
    static void *copy;
    free(copy); /* what was parsed last is closed by now */
    copy = malloc(file_size ? file_size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, file, file_size);
    return bnn_torch_parse("m.pt", copy, file_size, out, err);
}

static bnn_st_file *must_parse(void) {
    bnn_error err = {0};
    bnn_st_file *out;
    ck_assert(bnn_torch_is(file, file_size));
    ck_assert_msg(parse(&out, &err) == BNN_OK, "%s", err.text);
    return out;
}

static void expect_refused(bnn_code code, const char *what) {
    bnn_error err = {0};
    bnn_st_file *out;
    bnn_code got = parse(&out, &err);
    ck_assert_ptr_null(out);
    expect_error(got, code, &err, what, "m.pt: ", NULL);
    ck_assert_int_eq(parse(&out, NULL), code);
}

static void expect_tensor(const bnn_st_file *f, const char *name, bnn_st_dtype dtype,
                          const char *shape, size_t bytes_wanted, const void *data) {
    char text[64] = "";
    const bnn_st_tensor *t = bnn_st_find(f, name);
    ck_assert_msg(t != NULL, "%s", name);
    for (int i = 0; i < t->ndim; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%d", i ? "x" : "", (int)t->shape[i]);
    }
    ck_assert_str_eq(text, shape);
    ck_assert_int_eq(t->dtype, dtype);
    ck_assert_uint_eq(t->bytes, bytes_wanted);
    ck_assert_uint_eq(t->bytes, t->count * bnn_st_dtype_bytes(dtype));
    if (bytes_wanted) {
        ck_assert_mem_eq(t->data, data, bytes_wanted);
    }
}

/* ---- what is read ---- */

static const bytes plain = BYTES(START ORDERED "(" TEXT("\1", "w") ROWS TEXT("\1", "s") ONE
                                 "u}" TEXT("\11", "_metadata") ORDERED "sb.");

static void expect_plain(void) {
    bnn_st_file *f = must_parse();
    ck_assert_uint_eq(bnn_st_count(f), 2);
    expect_tensor(f, "w", BNN_ST_F32, "2x3", 24, numbers);
    expect_tensor(f, "s", BNN_ST_F32, "", 4, numbers + 5);
    ck_assert_ptr_null(bnn_st_metadata(f, "format"));
    bnn_st_close(f);
}

START_TEST(both_formats) {
    static const bytes key = BYTES(START "](" TEXT("\1", "0") "e.");
    make_archive(plain, 0);
    expect_plain();
    make_archive(plain, 1);
    expect_plain();
    make_stream(plain, key, 1);
    expect_plain();
    put("behind", 6); /* as a file may be padded */
    expect_plain();
}
END_TEST

/* Each holds "w", the six numbers, as 2x3. */
static const bytes wrapped[] = {
    BYTES(START "}" TEXT("\1", "w") ROWS "s."),
    BYTES(START "}" TEXT("\5", "model") "}" TEXT("\1", "w") ROWS "ss."),
    BYTES(START "}(" TEXT("\12", "state_dict") "}" TEXT("\1", "w") ROWS
          "s" TEXT("\5", "epoch") "K\3" TEXT("\4", "best") ONE "u."),
    /* Beside an object and an optimizer's state. */
    BYTES(START "}(" TEXT("\4", "args")
              CALLED("argparse", "Namespace") ")\x81}" TEXT("\2", "lr") "G\0\0\0\0\0\0\0\0sb" TEXT(
                  "\11", "optimizer") "}" TEXT("\5", "state") "}K\0}" TEXT("\7", "exp_avg") ROWS
          "sss" TEXT("\20", "model_state_dict") ORDERED TEXT("\1", "w") ROWS "su."),
    /* What would run a command is described, not run, and nobody asks for it. */
    BYTES(START "}(" TEXT("\1", "x") CALLED("posix", "system")
              TEXT("\4", "exit") "\x85R" TEXT("\3", "net") "}" TEXT("\1", "w") ROWS "su."),
    /* No usual name, but the only one there is; the count beside it is none. */
    BYTES(START "}(" TEXT("\7", "weights") "}" TEXT("\1", "w") ROWS "s" TEXT("\4", "best") ONE
          "u."),
    BYTES(START "}" TEXT("\6", "module") "}" TEXT("\5", "model") "}" TEXT("\1", "w") ROWS "sss."),
    /* nn.Parameter, and tensors with attributes. */
    BYTES(START "}" TEXT("\1", "w") CALLED("torch._utils", "_rebuild_parameter") ROWS
          "\x88)\x87Rs."),
    BYTES(START "}" TEXT("\1", "w") CALLED("torch._tensor", "_rebuild_from_type_v2") "(" V2 CALLED(
        "torch", "Tensor") "(" STORAGE("0", "\6") "K\0K\2K\3\x86K\3K\1\x86\x89)t}tRs."),
    /* The first version, and a type by name. */
    BYTES(START "}" TEXT("\1", "w") CALLED("torch._utils", "_rebuild_tensor") "(" STORAGE(
        "0", "\6") "K\0K\2K\3\x86K\3K\1\x86tRs."),
    BYTES(START "}" TEXT("\1", "w") CALLED("torch._utils", "_rebuild_tensor_v3") "(" STORAGE_OF(
        CALLED("torch.storage", "UntypedStorage"), "0",
        "\x18") "K\0K\2K\3\x86K\3K\1\x86\x89)" CALLED("torch", "float32") "tRs."),
    /* Python 2: pairs as lists, texts as bytes; protocol 4: names from the stack, frames, memo. */
    BYTES(START CALLED("collections", "OrderedDict") "](](U\1w" ROWS "ee\x85R."),
    BYTES(
        "\x80\4\x95\0\0\0\0\0\0\0\0}\x94\x8c\1w\x94\x8c\14torch._utils\x94\x8c\22_rebuild_tensor_v2"
        "\x93\x94(" STORAGE("0", "\6") "K\0K\2K\3\x86K\3K\1\x86\x89)t\x94R\x94s."),
    /* What is not a tensor is no weight: numbers, texts, keys that are none. */
    BYTES(START "}(" TEXT("\1", "n") "N" TEXT("\1", "k") "\x8a\1\xffK\1" ROWS TEXT("\1", "w")
              ROWS TEXT("\1", "o") ORDERED "u."),
    /* Out of order in its storage: channels last, then turned. */
    BYTES(START "}" TEXT("\1", "w")
              W("\x8b" N4("\0"), "J" N4("\2") "M\3\0\x86", "K\3K\1\x86") "s."),
};

START_TEST(whatever_it_is_wrapped_in) {
    make_archive(wrapped[_i], 0);
    bnn_st_file *f = must_parse();
    ck_assert_uint_eq(bnn_st_count(f), 1);
    expect_tensor(f, "w", BNN_ST_F32, "2x3", 24, numbers);
    bnn_st_close(f);
}
END_TEST

START_TEST(views) {
    static const bytes pickle =
        BYTES(START "}(" TEXT("\1", "t") W("K\0", "K\3K\2\x86", "K\1K\3\x86") /* transposed */
              TEXT("\1", "c") W("K\1", "K\2\x85", "K\3\x85")                  /* a column */
              TEXT("\1", "e") W("K\2", "K\2K\3\x86", "K\0K\0\x86")            /* one value */
              TEXT("\1", "p") W("K\3", "K\3\x85", "K\1\x85")                  /* a part */
              TEXT("\1", "z") W("K\6", "K\0K\2\x86", "K\2K\1\x86")            /* nothing */
              TEXT("\1", "1") W("K\4", "K\1K\2K\1\x87", "K\7K\1K\t\x87") "u.");
    const float turned[] = {0.5f, 3.5f, 1.5f, 4.5f, 2.5f, 5.5f}, column[] = {1.5f, 4.5f};
    const float same[] = {2.5f, 2.5f, 2.5f, 2.5f, 2.5f, 2.5f};
    make_archive(pickle, 0);
    bnn_st_file *f = must_parse();
    expect_tensor(f, "t", BNN_ST_F32, "3x2", 24, turned);
    expect_tensor(f, "c", BNN_ST_F32, "2", 8, column);
    expect_tensor(f, "e", BNN_ST_F32, "2x3", 24, same);
    expect_tensor(f, "p", BNN_ST_F32, "3", 12, numbers + 3);
    expect_tensor(f, "z", BNN_ST_F32, "0x2", 0, NULL);
    expect_tensor(f, "1", BNN_ST_F32, "1x2x1", 8, numbers + 4);
    bnn_st_close(f);
}
END_TEST

/* Of 24 bytes each. */
static const struct {
    const char *storage;
    bnn_st_dtype dtype;
} dtypes[] = {
    {"FloatStorage", BNN_ST_F32}, {"DoubleStorage", BNN_ST_F64},    {"HalfStorage", BNN_ST_F16},
    {"LongStorage", BNN_ST_I64},  {"BFloat16Storage", BNN_ST_BF16}, {"IntStorage", BNN_ST_I32},
    {"ShortStorage", BNN_ST_I16}, {"CharStorage", BNN_ST_I8},       {"ByteStorage", BNN_ST_U8},
    {"BoolStorage", BNN_ST_BOOL},
};

START_TEST(every_type) {
    char pickle[512];
    static const char start[] = START "}" TEXT("\1", "w") V2 "((" TEXT("\7", "storage") "ctorch\n";
    static const char middle[] = "\n" TEXT("\1", "0") TEXT("\3", "cpu") "K";
    size_t items = 24 / bnn_st_dtype_bytes(dtypes[_i].dtype), at = sizeof start - 1;
    memcpy(pickle, start, at);
    at += (size_t)sprintf(pickle + at, "%s", dtypes[_i].storage);
    memcpy(pickle + at, middle, sizeof middle - 1);
    at += sizeof middle - 1;
    const char rest[] = {(char)items, 't',        'Q', 'K', 0,          'K',
                         (char)items, (char)0x85, 'K', 1,   (char)0x85, (char)0x89,
                         ')',         't',        'R', 's', '.'};
    memcpy(pickle + at, rest, sizeof rest);
    make_archive((bytes){pickle, at + sizeof rest}, 0);
    bnn_st_file *f = must_parse();
    snprintf(pickle, sizeof pickle, "%zu", items);
    expect_tensor(f, "w", dtypes[_i].dtype, pickle, 24, numbers);
    bnn_st_close(f);
}
END_TEST

/* Before the archive: several storages in the order of their keys, one of them in parts. */
START_TEST(streams) {
    static const bytes pickle =
        BYTES(START "}(" TEXT("\1", "a") VIEW(STORAGE("7", "\6"), "K\0", "K\2\x85", "K\1\x85")
                  TEXT("\1", "b") V2
              "((" TEXT("\7", "storage") CALLED("torch.cuda", "FloatStorage") TEXT("\1", "8")
                  TEXT("\6", "cuda:0") "K\6(" TEXT("\1", "v") "K\2K\3tt"
                                                              "QK\1K\2\x85K\1\x85\x89)tRu.");
    static const bytes keys = BYTES(START "](" TEXT("\1", "7") TEXT("\1", "8") "e.");
    static const bytes unknown = BYTES(START "](" TEXT("\1", "7") TEXT("\1", "9") "e.");
    static const bytes no_list = BYTES(START "}.");
    make_stream(pickle, keys, 2);
    bnn_st_file *f = must_parse();
    expect_tensor(f, "a", BNN_ST_F32, "2", 8, numbers);
    expect_tensor(f, "b", BNN_ST_F32, "2", 8, numbers + 3);
    bnn_st_close(f);
    for (size_t whole = file_size; file_size-- > whole - 50;) {
        expect_refused(BNN_ERR_FORMAT, "ends within its storage '");
    }
    make_stream(pickle, keys, 2);
    memset(file + file_size - 32, 0xff, 8);
    expect_refused(BNN_ERR_FORMAT, "ends within its storage '8'");
    make_stream(pickle, unknown, 2);
    expect_refused(BNN_ERR_FORMAT, "holds a storage '9' of a type that is not known");
    make_stream(pickle, no_list, 2);
    expect_refused(BNN_ERR_FORMAT, "lacks the list of its storages");
    static const bytes one = BYTES(START "](" TEXT("\1", "7") "e.");
    make_stream(pickle, one, 1);
    expect_refused(BNN_ERR_FORMAT, "tensor \"b\": its storage '8' is missing");
}
END_TEST

/* ---- what is refused ---- */

#define IN_DICT(tensor) BYTES(START "}" TEXT("\1", "w") tensor "s.")
/* With a tensor before it, so that there is a state dict. */
#define BESIDE(value) BYTES(START "}(" TEXT("\1", "v") ROWS TEXT("\1", "w") value "u.")

static const struct {
    bytes pickle;
    bnn_code code;
    const char *what;
} bad[] = {
    /* Views. */
    {IN_DICT(W("K\1", "K\2K\3\x86", "K\3K\1\x86")), BNN_ERR_FORMAT, "do not lie in its storage"},
    {IN_DICT(W("K\6", "K\1\x85", "K\1\x85")), BNN_ERR_FORMAT, "do not lie in its storage"},
    {IN_DICT(W("K\0", "K\2\x85", "K\6\x85")), BNN_ERR_FORMAT, "do not lie in its storage"},
    {IN_DICT(W("K\0", "K\3\x85", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f\x85")), BNN_ERR_FORMAT,
     "do not lie in its storage"},
    {IN_DICT(W("J\xff\xff\xff\xff", "K\1\x85", "K\1\x85")), BNN_ERR_FORMAT, "no offset"},
    {IN_DICT(W("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85")), BNN_ERR_FORMAT, "non-negative"},
    {IN_DICT(W("K\0", "K\2\x85", "J\xff\xff\xff\xff\x85")), BNN_ERR_FORMAT, "non-negative"},
    {IN_DICT(W("K\0", "K\2\x85", ")")), BNN_ERR_FORMAT, "fit each other"},
    {IN_DICT(W("K\0", "N\x85", "K\1\x85")), BNN_ERR_FORMAT, "non-negative"},
    {IN_DICT(W("K\0", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7fK\2\x86", "K\0K\0\x86")),
     BNN_ERR_FORMAT, "larger than any memory"},
    {IN_DICT(W("K\0", "J\0\0\0\1\x85", "K\0\x85")), BNN_ERR_UNSUPPORTED, "repeats values"},
    {IN_DICT(W("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")),
     BNN_ERR_UNSUPPORTED, "9 dimensions, at most 8"},
    /* Storages. */
    {IN_DICT(VIEW(STORAGE("0", "\7"), "K\0", "K\1\x85", "K\1\x85")), BNN_ERR_FORMAT,
     "larger than what the file holds"},
    {IN_DICT(VIEW(STORAGE("5", "\6"), "K\0", "K\1\x85", "K\1\x85")), BNN_ERR_FORMAT,
     "tensor \"w\": its storage '5' is missing"},
    {IN_DICT(VIEW("N", "K\0", "K\1\x85", "K\1\x85")), BNN_ERR_FORMAT, "has no storage"},
    {IN_DICT(VIEW("NQ", "K\0", "K\1\x85", "K\1\x85")), BNN_ERR_FORMAT, "has no storage"},
    {IN_DICT(
         VIEW(STORAGE_OF(CALLED("os", "FloatStorage"), "0", "\6"), "K\0", "K\1\x85", "K\1\x85")),
     BNN_ERR_UNSUPPORTED, "lies in a os.FloatStorage"},
    {IN_DICT(VIEW(STORAGE_OF(CALLED("torch", "ComplexFloatStorage"), "0", "\1"), "K\0", "K\1\x85",
                  "K\1\x85")),
     BNN_ERR_UNSUPPORTED, "is of complex64"},
    {IN_DICT(V2 "(" STORAGE("0", "\6") "K\0K\1\x85K\1\x85\x89)}" TEXT("\3", "neg") "\x88stR"),
     BNN_ERR_UNSUPPORTED, "a conjugate or negative view"},
    /* What would be run. */
    {BESIDE(CALLED("posix", "system") TEXT("\2", "id") "\x85R"), BNN_ERR_UNSUPPORTED,
     "'w' is made by posix.system, which is not run here"},
    {BESIDE(CALLED("torch._utils", "_rebuild_qtensor") ")R"), BNN_ERR_UNSUPPORTED,
     "'w' is made by torch._utils._rebuild_qtensor"},
    {BESIDE(CALLED("builtins", "getattr") ")R)R"), BNN_ERR_UNSUPPORTED,
     "made by something without a name"},
    {BESIDE("\x82\1"), BNN_ERR_UNSUPPORTED, "made by something without a name"},
    {BYTES(START CALLED("models", "ResNet") ")\x81}b."), BNN_ERR_UNSUPPORTED,
     "an object (models.ResNet), which only Python can make"},
    {BYTES(START "(" TEXT("\6", "module") CALLED("models", "Net") TEXT("\1", "f")
               TEXT("\1", "s") "tQ)\x81}b."),
     BNN_ERR_UNSUPPORTED, "an object (models.Net)"},
    {BYTES(START CALLED("builtins", "getattr") ")R)R."), BNN_ERR_UNSUPPORTED,
     "an object (of a class without a name)"},
    {BYTES(START CALLED("copyreg", "_reconstructor") CALLED("old", "Net") "N\x86R}b."),
     BNN_ERR_UNSUPPORTED, "an object (old.Net)"},
    {BYTES(START "}" TEXT("\5", "model") CALLED("posix", "system") TEXT("\2", "id") "\x85Rs."),
     BNN_ERR_UNSUPPORTED, "an object (posix.system)"},
    /* No state dict, or too many. */
    {BYTES(START "}."), BNN_ERR_FORMAT, "holds no state dict"},
    {BYTES(START "K\1."), BNN_ERR_FORMAT, "holds no state dict"},
    {BYTES(START ROWS "."), BNN_ERR_UNSUPPORTED, "an object (torch._utils._rebuild_tensor_v2)"},
    {BYTES(START "}(" TEXT("\1", "g") "}" TEXT("\1", "w") ROWS
           "s" TEXT("\1", "d") "}" TEXT("\1", "w") ROWS "su."),
     BNN_ERR_FORMAT, "several state dicts ('g', 'd')"},
    {BYTES(START "}(" TEXT("\1", "w") ROWS TEXT("\1", "w") ROWS "u."), BNN_ERR_FORMAT,
     "two tensors of one name"},
    {BYTES(START "}" TEXT("\3", "a\0b") ROWS "s."), BNN_ERR_FORMAT, "has a NUL in it"},
    /* A dictionary that holds itself. */
    {BYTES(START "}q\0" TEXT("\5", "model") "h\0s."), BNN_ERR_FORMAT, "holds no state dict"},
    /* The machine. */
    {BYTES(START "t."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "(K\1\x86."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "(R."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "(."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "0."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "h\1."), BNN_ERR_FORMAT, "recalls what it did not put by"},
    {BYTES(START "Nr\377\377\377\377."), BNN_ERR_UNSUPPORTED, "more than 4194304 values"},
    {BYTES(START "NNs."), BNN_ERR_FORMAT, "takes values that are not there"},
    {BYTES(START "NNNs."), BNN_ERR_FORMAT, "puts values into what holds none"},
    {BYTES(START "]N(NNu."), BNN_ERR_FORMAT, "puts values into what holds none"},
    {BYTES(START "}(Nu."), BNN_ERR_FORMAT, "has a key without a value"},
    {BYTES(START "(Nd."), BNN_ERR_FORMAT, "has a key without a value"},
    {BYTES(START "NN\x93."), BNN_ERR_FORMAT, "has a name that is no text"},
    {BYTES("\x80\6."), BNN_ERR_UNSUPPORTED, "pickle protocol 6"},
    {BYTES(START "I01\n."), BNN_ERR_UNSUPPORTED, "opcode 0x49 at byte 2"},
    {BYTES(START "\x97."), BNN_ERR_UNSUPPORTED, "opcode 0x97"},
    {BYTES(START "X\377\377\377\377w."), BNN_ERR_FORMAT, "is cut short"},
    {BYTES(START "\x8d\377\377\377\377\377\377\377\377w."), BNN_ERR_FORMAT, "is cut short"},
    {BYTES(START "cmodule"), BNN_ERR_FORMAT, "is cut short"},
    {BYTES(START "N"), BNN_ERR_FORMAT, "is cut short"},
};

START_TEST(refuses) {
    make_archive(bad[_i].pickle, 0);
    expect_refused(bad[_i].code, bad[_i].what);
}
END_TEST

/* Copies of many views of one storage would be larger than any file. */
START_TEST(copies_are_bounded) {
    static char pickle[40000];
    static const char tensor[] = W("K\0", "M\0\x40\x85", "K\0\x85"); /* 64 KiB of one value */
    size_t at = 3;
    memcpy(pickle, START "}", 3);
    for (int i = 0; i < 100; i++) {
        at += (size_t)sprintf(pickle + at, "U%cw%02d", 3, i);
        memcpy(pickle + at, tensor, sizeof tensor - 1);
        at += sizeof tensor - 1;
        pickle[at++] = 's';
    }
    pickle[at++] = '.';
    make_archive((bytes){pickle, at}, 0);
    expect_refused(BNN_ERR_UNSUPPORTED, "repeats values of its storage");
}
END_TEST

START_TEST(values_are_bounded) {
    static unsigned char ops[(1 << 22) + 8];
    bnn_error err = {0};
    bnn_py_result result;
    for (int kind = 0; kind < 2; kind++) {
        bnn_arena *arena = bnn_arena_create();
        memset(ops, kind ? '(' : '}', sizeof ops);
        expect_error(bnn_py_read("m.pt", ops, sizeof ops, arena, &result, &err),
                     BNN_ERR_UNSUPPORTED, &err, "m.pt: its pickle holds more than 4194304", NULL);
        bnn_arena_free(arena);
    }
}
END_TEST

/* ---- archives ---- */

/* Cut anywhere, and with any byte changed, it is read or refused, and never past its end. */
START_TEST(every_truncation_is_refused) {
    static const bytes keys = BYTES(START "](" TEXT("\1", "0") "e.");
    for (int kind = 0; kind < 3; kind++) {
        kind < 2 ? make_archive(plain, kind) : make_stream(plain, keys, 1);
        for (size_t whole = file_size; file_size-- > 1;) {
            bnn_error err = {0};
            bnn_st_file *out;
            ck_assert_msg(parse(&out, &err) == BNN_ERR_FORMAT, "%zu of %zu bytes: %s", file_size,
                          whole, err.text);
        }
    }
}
END_TEST

START_TEST(any_byte_may_lie) {
    for (int zip64 = 0; zip64 < 2; zip64++) {
        make_archive(plain, zip64);
        for (size_t i = 0; i < file_size; i++) {
            static const unsigned char flips[] = {0x01, 0x80, 0xff};
            for (int k = 0; k < 3; k++) {
                bnn_error err = {0};
                bnn_st_file *out;
                file[i] ^= flips[k];
                bnn_code code = parse(&out, &err);
                ck_assert(code == BNN_OK || (code == err.code && err.text[0]));
                for (size_t t = 0; code == BNN_OK && t < bnn_st_count(out); t++) {
                    ck_assert_uint_le(bnn_st_at(out, t)->bytes, file_size);
                }
                bnn_st_close(out);
                file[i] ^= flips[k];
            }
        }
    }
}
END_TEST

START_TEST(archives) {
    entry entries[4] = {{"m/data.pkl", plain.bytes, plain.size, 0, 0},
                        {"m/byteorder", "big", 3, 0, 0},
                        {"m/data/0", numbers, sizeof numbers, 0, 0},
                        {"m/version", "3\n", 2, 8, 0}};
    make_zip(entries, 4, 0);
    expect_refused(BNN_ERR_UNSUPPORTED, "big-endian");
    entries[1].size = 0;
    make_zip(entries, 4, 0); /* what nobody needs may be compressed */
    expect_plain();
    entries[0].name = "data.pkl"; /* without a folder */
    entries[2].name = "data/0";
    make_zip(entries, 4, 0);
    expect_plain();
    file[file_size - 2] = 4; /* a comment */
    put("note", 4);
    expect_plain();
    entries[2].method = 8;
    make_zip(entries, 4, 0);
    expect_refused(BNN_ERR_FORMAT, "tensor \"w\": its storage '0' is compressed");
    entries[2].method = 0;
    entries[2].flags = 1;
    make_zip(entries, 4, 0);
    expect_refused(BNN_ERR_FORMAT, "its storage '0' is encrypted");
    entries[0].method = 8;
    make_zip(entries, 4, 0);
    expect_refused(BNN_ERR_UNSUPPORTED, "data.pkl is compressed");
    entries[0].name = "other.pkl";
    make_zip(entries, 4, 0);
    expect_refused(BNN_ERR_FORMAT, "has no data.pkl as PyTorch's files have");
    entries[0].name = "a.npy";
    make_zip(entries, 1, 0);
    expect_refused(BNN_ERR_FORMAT, "NumPy arrays (npz)");
    make_zip(entries, 0, 0);
    expect_refused(BNN_ERR_FORMAT, "has no data.pkl");
}
END_TEST

/* Numbers of a list of entries that lie. */
START_TEST(lists_that_lie) {
    static const struct {
        size_t from_end; /* of the archive's end record */
        const char *bytes;
        const char *what;
    } lies[] = {
        {6, "\xff\xff\xff\xff", "does not lie in the file"},  /* where the list is */
        {10, "\xff\xff\xff\x7f", "does not lie in the file"}, /* its bytes */
        {14, "\xff\x0f\xff\x0f", "does not lie in the file"}, /* its entries */
        {10, "\x2e\0\0\0", "does not lie in the file"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        make_archive(plain, 0);
        memcpy(file + file_size - lies[i].from_end, lies[i].bytes, 4);
        expect_refused(BNN_ERR_FORMAT, lies[i].what);
    }
}
END_TEST

START_TEST(which_files_they_are) {
    static const struct {
        bytes start;
        int is;
    } starts[] = {
        {BYTES("PK\3\4\0\0\10\10\0\0"), 1},
        {BYTES("\x80\2\x8a\n"), 1},
        {BYTES("\x80\5"), 1},
        {BYTES("\x80\2\0\0\0\0\0\0{\"a\""), 0},
        {BYTES("\x80\1"), 0},
        {BYTES("PK\3"), 0},
        {BYTES("PK\3\4\0\0\0\0{\"a\":1}"), 0},
        {BYTES(""), 0},
        {BYTES("{}"), 0},
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        ck_assert_int_eq(bnn_torch_is(starts[i].start.bytes, starts[i].start.size), starts[i].is);
    }
    static const bytes other = BYTES("\x80\4\x95\x1b\0\0\0\0\0\0\0}\x94.");
    file_size = 0;
    put(other.bytes, other.size);
    expect_refused(BNN_ERR_FORMAT, "a Python pickle, but not one of torch.save");
    file_size = 0;
    put(magic.bytes, magic.size);
    put(magic.bytes, magic.size);
    put(little.bytes, little.size);
    expect_refused(BNN_ERR_UNSUPPORTED, "a version of torch.save's format");
    static const bytes big = BYTES(START "}" TEXT("\15", "little_endian") "\x89s.");
    file_size = magic.size;
    put(version.bytes, version.size);
    put(big.bytes, big.size);
    expect_refused(BNN_ERR_UNSUPPORTED, "big-endian");
}
END_TEST

/* ---- pickles alone ---- */

START_TEST(every_opcode) {
    static const bytes all =
        BYTES("\x80\5\x95\0\0\0\0\0\0\0\0(N\x88\x89J\xfe\xff\xff\xffK\xfeM\xfe\xff\x8a\0\x8a\1\xfe"
              "\x8b\t\0\0\0\1\2\3\4\5\6\7\10\tG\0\0\0\0\0\0\0\0T\1\0\0\0aU\1bX\1\0\0\0c\x8c\1d"
              "\x8d\1\0\0\0\0\0\0\0eB\1\0\0\0fC\1g\x8e\1\0\0\0\0\0\0\0h\x96\1\0\0\0\0\0\0\0i"
              "}]\x8f)(NNd(Nl(Nt(N\x91NNN\x87(N12]Na](NNe\x8f(N\x90NN0r\7\0\0\0j\7\0\0\0"
              "cos\nsystem\n)}\x92\x83\1\0\x84\1\0\0\0t.behind");
    static const bnn_py_kind kinds[] = {
        BNN_PY_NONE,  BNN_PY_BOOL,  BNN_PY_BOOL, BNN_PY_INT,   BNN_PY_INT,   BNN_PY_INT,
        BNN_PY_INT,   BNN_PY_INT,   BNN_PY_LONG, BNN_PY_FLOAT, BNN_PY_TEXT,  BNN_PY_TEXT,
        BNN_PY_TEXT,  BNN_PY_TEXT,  BNN_PY_TEXT, BNN_PY_BYTES, BNN_PY_BYTES, BNN_PY_BYTES,
        BNN_PY_BYTES, BNN_PY_DICT,  BNN_PY_LIST, BNN_PY_SET,   BNN_PY_TUPLE, BNN_PY_DICT,
        BNN_PY_LIST,  BNN_PY_TUPLE, BNN_PY_SET,  BNN_PY_TUPLE, BNN_PY_TUPLE, BNN_PY_LIST,
        BNN_PY_LIST,  BNN_PY_SET,   BNN_PY_NONE, BNN_PY_NONE,  BNN_PY_CALL,  BNN_PY_CALL,
        BNN_PY_CALL};
    static const int64_t values[] = {-2, 0xfe, 0xfffe, 0, -2};
    bnn_error err = {0};
    bnn_py_result result;
    bnn_arena *arena = bnn_arena_create();
    ck_assert_msg(bnn_py_read("p", all.bytes, all.size, arena, &result, &err) == BNN_OK, "%s",
                  err.text);
    ck_assert_uint_eq(result.bytes, all.size - 6);
    ck_assert_uint_eq(result.value->count, sizeof kinds / sizeof kinds[0]);
    for (size_t i = 0; i < result.value->count; i++) {
        ck_assert_msg(bnn_py_item(result.value, i)->kind == kinds[i], "item %zu", i);
    }
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(bnn_py_item(result.value, 3 + i)->number, values[i]);
    }
    ck_assert(bnn_py_is(bnn_py_item(result.value, 14), "e"));
    ck_assert_str_eq(bnn_py_function(bnn_py_item(result.value, 34)), "os.system");
    ck_assert_str_eq(bnn_py_function(bnn_py_item(result.value, 35)), "");
    ck_assert_uint_eq(bnn_py_item(result.value, 30)->count, 2);
    bnn_arena_free(arena);
}
END_TEST

#define LOOP(tests, name, table) tcase_add_loop_test(tests, name, 0, sizeof table / sizeof table[0])

int main(void) {
    Suite *suite = suite_create("torch_file");
    TCase *tests = tcase_create("torch_file");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, both_formats);
    LOOP(tests, whatever_it_is_wrapped_in, wrapped);
    tcase_add_test(tests, views);
    LOOP(tests, every_type, dtypes);
    tcase_add_test(tests, streams);
    LOOP(tests, refuses, bad);
    tcase_add_test(tests, copies_are_bounded);
    tcase_add_test(tests, values_are_bounded);
    tcase_add_test(tests, every_truncation_is_refused);
    tcase_add_test(tests, any_byte_may_lie);
    tcase_add_test(tests, archives);
    tcase_add_test(tests, lists_that_lie);
    tcase_add_test(tests, which_files_they_are);
    tcase_add_test(tests, every_opcode);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
