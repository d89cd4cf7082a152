/* VLFeat's C library as a peer: times its routines on one thread, and prints the reference values that
 * tests/fixtures/vlfeat holds. Needs libvlfeat 0.9.21 (Debian's libvlfeat-dev):
 *
 *     cc -O2 -ffp-contract=off -o vlfeat vlfeat.c -lvl -lm
 *
 * vlfeat version                                             version and what the library uses of this processor
 * vlfeat reference FOLDER                                    dsift.json, fisher.json, ... into FOLDER
 * vlfeat dsift PICTURE WIDTH HEIGHT STEP WINDOW RUNS OUT BIN...   dense SIFT at all bin sizes; WINDOW flat or gaussian
 * vlfeat hog PICTURE WIDTH HEIGHT CELL RUNS OUT              UoCTTI's HOG, 9 orientations
 * vlfeat lbp PICTURE WIDTH HEIGHT CELL RUNS OUT              uniform LBP
 * vlfeat fisher ROWS MIXTURE D K RUNS OUT                    improved Fisher vector (signed root, L2)
 * vlfeat vlad ROWS MIXTURE D K RUNS OUT                      rows to their nearest means, and the intra-normalised VLAD
 *                                                            under a signed root
 * vlfeat gmm ROWS MIXTURE D K ITERATIONS RUNS OUT            EM from that mixture; the time is of one iteration
 * vlfeat fit ROWS D K ITERATIONS RUNS OUT                    k-means as VLFeat begins with it, then EM
 *
 * Files are raw 32-bit floats in the machine's order: a PICTURE row by row with values in [0, 1], ROWS one after the
 * other, a MIXTURE as K x D means, K x D variances, K weights. Every call prints one line, the median of RUNS in
 * milliseconds, and writes what it computed to OUT (- for nowhere). Files are read, filters made and buffers
 * allocated before the clock starts, and one run goes before the RUNS, so VLFeat's figures are at their best.
 *
 * Subjects of `make peers` (vlfeat.py); featbench does the same on the same files (vlfeat.rs):
 *     vl dsift           300 x 250 grey, flat window, bin sizes 4, 6, 8, 12, step 4, 4 x 4 x 8; no smoothing before;
 *                        from floats (featbench: bytes) to all descriptors, clamped and L2-normalised as SIFT's are
 *                        (featbench: their square roots as RootSIFT has them, and their places)
 *     vl fisher 64, 128  10,000 rows of D = 64, K = 64 or 128; posteriors, means and variances (featbench: and weights),
 *                        root, norm
 *     vl fit 64, 128     a mixture of 20,000 rows with 15 rounds of EM (VLFeat counts one expectation more)
 *     vl vlad 64         the rows of one picture, words = the means
 *     vl hog             the picture, cells of 8 (featbench: in descriptors of 2 x 2 cells)
 *     vl lbp             the picture, cells of 25 (featbench: a pixel belongs to one cell)
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vl/dsift.h>
#include <vl/fisher.h>
#include <vl/generic.h>
#include <vl/gmm.h>
#include <vl/hog.h>
#include <vl/kmeans.h>
#include <vl/lbp.h>
#include <vl/vlad.h>

#define VLAD_INTRA (VL_VLAD_FLAG_SQUARE_ROOT | VL_VLAD_FLAG_NORMALIZE_COMPONENTS)

static void stop(char const *what, char const *which)
{
    fprintf(stderr, "vlfeat: %s %s\n", what, which);
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) stop("no memory for", "a buffer");
    return memory;
}

static size_t number(char const *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || !value) stop("not a positive number:", text);
    return value;
}

static float *read_floats(char const *path, size_t count)
{
    float *values = room(count, sizeof *values);
    FILE *file = fopen(path, "rb");
    if (!file || fread(values, sizeof *values, count, file) != count || fgetc(file) != EOF)
        stop("missing, or not of the expected length:", path);
    fclose(file);
    return values;
}

static void write_floats(FILE *file, float const *values, size_t count)
{
    if (file && fwrite(values, sizeof *values, count, file) != count) stop("can't write", "the output");
}

static FILE *open_out(char const *path)
{
    if (!strcmp(path, "-")) return NULL;
    FILE *file = fopen(path, "wb");
    if (!file) stop("can't write", path);
    return file;
}

static void close_out(FILE *file)
{
    if (file && fclose(file)) stop("can't write", "the output");
}

/* ------------------------------------------------------------------------------------------------- times */

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static int by_value(void const *a, void const *b)
{
    double x = *(double const *)a, y = *(double const *)b;
    return (x > y) - (x < y);
}

/* Prints the median time of what `work` does, which is called once before. */
static void time_it(void (*work)(void *), void *state, size_t runs)
{
    double *times = room(runs, sizeof *times);
    work(state);
    for (size_t i = 0; i < runs; ++i) {
        double start = milliseconds();
        work(state);
        times[i] = milliseconds() - start;
    }
    qsort(times, runs, sizeof *times, by_value);
    printf("%.6f\n", (times[(runs - 1) / 2] + times[runs / 2]) / 2);
    free(times);
}

struct dense {
    VlDsiftFilter *filters[16];
    int count;
    float *picture;
};

static VlDsiftFilter *dense_filter(int width, int height, int step, int bin, int flat)
{
    VlDsiftFilter *filter = vl_dsift_new_basic(width, height, step, bin);
    vl_dsift_set_flat_window(filter, flat);
    vl_dsift_set_window_size(filter, 2.0);
    return filter;
}

static void dense_work(void *state)
{
    struct dense *dense = state;
    for (int i = 0; i < dense->count; ++i) vl_dsift_process(dense->filters[i], dense->picture);
}

static void time_dsift(int count, char **arguments)
{
    if (count < 8 || count > 23) stop("usage:", "dsift PICTURE WIDTH HEIGHT STEP WINDOW RUNS OUT BIN...");
    size_t width = number(arguments[1]), height = number(arguments[2]);
    struct dense dense = {{0}, count - 7, read_floats(arguments[0], width * height)};
    for (int i = 0; i < dense.count; ++i)
        dense.filters[i] = dense_filter(width, height, number(arguments[3]), number(arguments[7 + i]),
                                        !strcmp(arguments[4], "flat"));
    time_it(dense_work, &dense, number(arguments[5]));
    FILE *out = open_out(arguments[6]);
    for (int i = 0; i < dense.count; ++i)
        write_floats(out, vl_dsift_get_descriptors(dense.filters[i]),
                     (size_t)vl_dsift_get_keypoint_num(dense.filters[i]) * 128);
    close_out(out);
}

struct cells {
    VlHog *hog;
    VlLbp *lbp;
    float *picture, *features;
    size_t width, height, cell, count;
};

static void hog_work(void *state)
{
    struct cells *c = state;
    vl_hog_put_image(c->hog, c->picture, c->width, c->height, 1, c->cell);
    vl_hog_extract(c->hog, c->features);
}

/* vl_lbp_process adds to what is in the buffer. */
static void lbp_work(void *state)
{
    struct cells *c = state;
    memset(c->features, 0, c->count * sizeof *c->features);
    vl_lbp_process(c->lbp, c->features, c->picture, c->width, c->height, c->cell);
}

static struct cells hog_cells(float *picture, size_t width, size_t height, size_t cell)
{
    struct cells c = {vl_hog_new(VlHogVariantUoctti, 9, VL_FALSE), NULL, picture, NULL, width, height, cell, 0};
    vl_hog_put_image(c.hog, picture, width, height, 1, cell);
    c.count = vl_hog_get_width(c.hog) * vl_hog_get_height(c.hog) * vl_hog_get_dimension(c.hog);
    c.features = room(c.count, sizeof *c.features);
    return c;
}

static struct cells lbp_cells(float *picture, size_t width, size_t height, size_t cell)
{
    struct cells c = {NULL, vl_lbp_new(VlLbpUniform, VL_FALSE), picture, NULL, width, height, cell, 0};
    c.count = (width / cell) * (height / cell) * vl_lbp_get_dimension(c.lbp);
    c.features = room(c.count, sizeof *c.features);
    return c;
}

static void time_cells(int count, char **arguments, int hog)
{
    if (count != 6) stop("usage:", "hog | lbp PICTURE WIDTH HEIGHT CELL RUNS OUT");
    size_t width = number(arguments[1]), height = number(arguments[2]), cell = number(arguments[3]);
    float *picture = read_floats(arguments[0], width * height);
    struct cells c = (hog ? hog_cells : lbp_cells)(picture, width, height, cell);
    time_it(hog ? hog_work : lbp_work, &c, number(arguments[4]));
    FILE *out = open_out(arguments[5]);
    write_floats(out, c.features, c.count);
    close_out(out);
}

struct coding {
    float *rows, *means, *variances, *weights, *assigned, *code;
    vl_uint32 *words;
    size_t n, d, k, iterations;
    VlGMM *mixture;
    VlKMeans *kmeans;
};

static size_t rows_of(char const *path, size_t d)
{
    FILE *rows = fopen(path, "rb");
    if (!rows || fseek(rows, 0, SEEK_END)) stop("can't read", path);
    size_t n = ftell(rows) / sizeof(float) / d;
    fclose(rows);
    return n;
}

static void read_coding(struct coding *c, char **arguments)
{
    c->d = number(arguments[2]);
    c->k = number(arguments[3]);
    c->n = rows_of(arguments[0], c->d);
    c->rows = read_floats(arguments[0], c->n * c->d);
    c->means = read_floats(arguments[1], c->k * (2 * c->d + 1));
    c->variances = c->means + c->k * c->d;
    c->weights = c->variances + c->k * c->d;
    c->code = room(2 * c->k * c->d, sizeof *c->code);
}

static void fisher_work(void *state)
{
    struct coding *c = state;
    vl_fisher_encode(c->code, VL_TYPE_FLOAT, c->means, c->d, c->k, c->variances, c->weights, c->rows, c->n,
                     VL_FISHER_FLAG_IMPROVED);
}

/* Room for words, which are the means. */
static void take_words(struct coding *c)
{
    c->assigned = room(c->n * c->k, sizeof *c->assigned);
    c->words = room(c->n, sizeof *c->words);
    c->kmeans = vl_kmeans_new(VL_TYPE_FLOAT, VlDistanceL2);
    vl_kmeans_set_centers(c->kmeans, c->means, c->d, c->k);
}

/* One row of K numbers a row of data, as vl_vlad_encode wants them: 1 at the nearest word, else 0. */
static void assign(struct coding *c)
{
    vl_kmeans_quantize(c->kmeans, c->words, NULL, c->rows, c->n);
    memset(c->assigned, 0, c->n * c->k * sizeof *c->assigned);
    for (size_t i = 0; i < c->n; ++i) c->assigned[i * c->k + c->words[i]] = 1;
}

static void vlad_work(void *state)
{
    struct coding *c = state;
    assign(c);
    vl_vlad_encode(c->code, VL_TYPE_FLOAT, c->means, c->d, c->k, c->rows, c->n, c->assigned, VLAD_INTRA);
}

static void time_encoding(int count, char **arguments, int fisher)
{
    if (count != 6) stop("usage:", "fisher | vlad ROWS MIXTURE D K RUNS OUT");
    struct coding c = {0};
    read_coding(&c, arguments);
    if (!fisher) take_words(&c);
    time_it(fisher ? fisher_work : vlad_work, &c, number(arguments[4]));
    FILE *out = open_out(arguments[5]);
    write_floats(out, c.code, (fisher ? 2 : 1) * c.k * c.d);
    close_out(out);
}

static double em(struct coding *c, size_t iterations)
{
    vl_gmm_set_means(c->mixture, c->means);
    vl_gmm_set_covariances(c->mixture, c->variances);
    vl_gmm_set_priors(c->mixture, c->weights);
    vl_gmm_set_max_num_iterations(c->mixture, iterations);
    double start = milliseconds();
    vl_gmm_em(c->mixture, c->rows, c->n);
    return milliseconds() - start;
}

static void write_mixture(struct coding *c, char const *path)
{
    FILE *out = open_out(path);
    write_floats(out, vl_gmm_get_means(c->mixture), c->k * c->d);
    write_floats(out, vl_gmm_get_covariances(c->mixture), c->k * c->d);
    write_floats(out, vl_gmm_get_priors(c->mixture), c->k);
    close_out(out);
}

/* n iterations are n + 1 expectations and n maximisations: the difference of two calls has as many of both. Only
 * where EM converges before, which VLFeat does not say, would it be too short. */
static void time_gmm(int count, char **arguments)
{
    if (count != 7) stop("usage:", "gmm ROWS MIXTURE D K ITERATIONS RUNS OUT");
    struct coding c = {0};
    read_coding(&c, arguments);
    size_t iterations = number(arguments[4]), runs = number(arguments[5]);
    double *times = room(runs, sizeof *times);
    c.mixture = vl_gmm_new(VL_TYPE_FLOAT, c.d, c.k);
    em(&c, 1);
    for (size_t i = 0; i < runs; ++i) {
        double one = em(&c, 1);
        times[i] = (em(&c, iterations + 1) - one) / iterations;
    }
    qsort(times, runs, sizeof *times, by_value);
    printf("%.6f\n", (times[(runs - 1) / 2] + times[runs / 2]) / 2);
    write_mixture(&c, arguments[6]);
}

static void fit_work(void *state)
{
    struct coding *c = state;
    if (c->mixture) vl_gmm_delete(c->mixture);
    c->mixture = vl_gmm_new(VL_TYPE_FLOAT, c->d, c->k);
    vl_gmm_set_initialization(c->mixture, VlGMMKMeans);
    vl_gmm_set_max_num_iterations(c->mixture, c->iterations);
    vl_gmm_cluster(c->mixture, c->rows, c->n);
}

static void time_fit(int count, char **arguments)
{
    if (count != 6) stop("usage:", "fit ROWS D K ITERATIONS RUNS OUT");
    struct coding c = {0};
    c.d = number(arguments[1]);
    c.k = number(arguments[2]);
    c.iterations = number(arguments[3]);
    c.n = rows_of(arguments[0], c.d);
    c.rows = read_floats(arguments[0], c.n * c.d);
    time_it(fit_work, &c, number(arguments[4]));
    write_mixture(&c, arguments[5]);
}

#include "vlfeat_reference.h"

static void version(void)
{
    char *configuration = vl_configuration_to_string_copy();
    printf("%s\n%s\n", vl_get_version_string(), configuration);
    vl_free(configuration);
}

int main(int count, char **arguments)
{
    char const *what = count > 1 ? arguments[1] : "";
    vl_set_num_threads(1);
    if (!strcmp(what, "version")) version();
    else if (!strcmp(what, "reference") && count == 3) write_reference(arguments[2]);
    else if (!strcmp(what, "dsift")) time_dsift(count - 2, arguments + 2);
    else if (!strcmp(what, "hog")) time_cells(count - 2, arguments + 2, 1);
    else if (!strcmp(what, "lbp")) time_cells(count - 2, arguments + 2, 0);
    else if (!strcmp(what, "fisher")) time_encoding(count - 2, arguments + 2, 1);
    else if (!strcmp(what, "vlad")) time_encoding(count - 2, arguments + 2, 0);
    else if (!strcmp(what, "gmm")) time_gmm(count - 2, arguments + 2);
    else if (!strcmp(what, "fit")) time_fit(count - 2, arguments + 2);
    else stop("usage: the first lines of vlfeat.c; not", *what ? what : "without arguments");
    return 0;
}
