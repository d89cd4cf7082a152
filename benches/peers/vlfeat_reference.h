/* The part of vlfeat.c that writes reference values: inputs that follow from formulas (tests/fixtures/vlfeat/README.md
 * has them), computed here and in the tests alike, and what VLFeat makes of them, as JSON. */

enum { WIDTH = 120, HEIGHT = 90, SOME_FRAMES = 12, SOME_CELLS = 8 };

/* Ramps, slanted waves, three blobs and a flat corner. */
static int grey(int x, int y)
{
    static int const blobs[3][3] = {{30, 28, 400}, {82, 22, 225}, {48, 66, 324}};
    if (x >= 76 && y >= 50) return 128;
    int wave = (3 * x + 5 * y) % 34, value = 40 + x + y / 2 + 3 * (wave < 17 ? wave : 34 - wave);
    for (int i = 0; i < 3; ++i) {
        int dx = x - blobs[i][0], dy = y - blobs[i][1], left = blobs[i][2] - dx * dx - dy * dy;
        if (left > 0) value += 90 * left / blobs[i][2];
    }
    return value % 256;
}

static float *grey_picture(void)
{
    float *picture = room(WIDTH * HEIGHT, sizeof *picture);
    for (int i = 0; i < WIDTH * HEIGHT; ++i) picture[i] = (float)grey(i % WIDTH, i / WIDTH) / 255.0f;
    return picture;
}

/* f32(middle + half t) with t in [-1, 1) from the stream of splitmix64 that the name seeds (64-bit FNV-1a). */
static double *named(char const *name, size_t count, double middle, double half)
{
    double *values = room(count, sizeof *values);
    uint64_t state = 0xcbf29ce484222325;
    for (; *name; ++name) state = (state ^ (unsigned char)*name) * 0x100000001b3;
    for (size_t i = 0; i < count; ++i) {
        uint64_t z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        z ^= z >> 31;
        values[i] = (float)(middle + half * (((double)(z >> 40) - 8388608.0) / 8388608.0));
    }
    return values;
}

/* ------------------------------------------------------------------------------------------------- JSON */

static FILE *open_json(char const *folder, char const *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) stop("too long:", folder);
    FILE *file = fopen(path, "w");
    if (!file) stop("can't write", path);
    fprintf(file, "{\n \"vlfeat\": \"%s\"", vl_get_version_string());
    return file;
}

static void close_json(FILE *file)
{
    fputs("\n}\n", file);
    close_out(file);
}

static void doubles(FILE *file, char const *name, double const *values, size_t count)
{
    fprintf(file, ",\n  \"%s\": [", name);
    for (size_t i = 0; i < count; ++i) fprintf(file, "%s%.17g", i ? ", " : "", values[i]);
    fputs("]", file);
}

/* Every `stride`-th of VLFeat's 32-bit floats, to six digits. */
static void floats(FILE *file, float const *values, size_t count, size_t stride)
{
    fputs("[", file);
    for (size_t i = 0; i < count; ++i) fprintf(file, "%s%.6g", i ? ", " : "", values[i * stride]);
    fputs("]", file);
}

/* ------------------------------------------------------------------------------------------------- what is written */

/* Pictures: the first eight values and the hash of all, so that a test sees at once whether it drew the same. */
static void picture_head(FILE *file)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (int i = 0; i < WIDTH * HEIGHT; ++i) hash = (hash ^ grey(i % WIDTH, i / WIDTH)) * 0x100000001b3;
    fprintf(file, ",\n \"picture\": {\"width\": %d, \"height\": %d, ", WIDTH, HEIGHT);
    fprintf(file, "\"fnv1a\": \"%016llx\", \"first\": [", (unsigned long long)hash);
    for (int i = 0; i < 8; ++i) fprintf(file, "%s%d", i ? ", " : "", grey(i, 0));
    fputs("]},\n \"cases\": [", file);
}

static void reference_dsift_case(FILE *file, float *picture, int flat, int bin)
{
    VlDsiftFilter *filter = dense_filter(WIDTH, HEIGHT, 4, bin, flat);
    vl_dsift_process(filter, picture);
    VlDsiftKeypoint const *frames = vl_dsift_get_keypoints(filter);
    int count = vl_dsift_get_keypoint_num(filter), columns = 0, some = flat ? SOME_FRAMES : SOME_FRAMES / 2;
    while (columns < count && frames[columns].y == frames[0].y) ++columns;
    fprintf(file, "\n  {\"flat\": %s, \"bin\": %d, \"step\": 4, \"frames\": %d, \"columns\": %d, \"rows\": %d,\n",
            flat ? "true" : "false", bin, count, columns, count / columns);
    fprintf(file, "   \"first\": [%g, %g], \"last\": [%g, %g], \"described\": [", frames[0].x, frames[0].y,
            frames[count - 1].x, frames[count - 1].y);
    for (int i = 0; i < some; ++i) {
        int f = i * (count - 1) / (some - 1);
        fprintf(file, "%s\n    {\"frame\": %d, \"x\": %g, \"y\": %g, ", i ? "," : "", f, frames[f].x, frames[f].y);
        fprintf(file, "\"norm\": %.6g, \"descriptor\":\n     ", frames[f].norm);
        floats(file, vl_dsift_get_descriptors(filter) + f * 128, 128, 1);
        fputs("}", file);
    }
    fputs("]}", file);
    vl_dsift_delete(filter);
}

static void reference_dsift(char const *folder, float *picture)
{
    FILE *file = open_json(folder, "dsift.json");
    picture_head(file);
    for (int i = 0; i < 4; ++i) {
        if (i) fputs(",", file);
        reference_dsift_case(file, picture, i < 2, i % 2 ? 6 : 4);
    }
    fputs("]", file);
    close_json(file);
}

static void some_cells(FILE *file, float const *features, size_t columns, size_t rows, size_t dimension)
{
    size_t count = columns * rows;
    fprintf(file, "\"columns\": %zu, \"rows\": %zu, \"cells\": [", columns, rows);
    for (size_t i = 0; i < SOME_CELLS; ++i) {
        size_t cell = i * (count - 1) / (SOME_CELLS - 1);
        fprintf(file, "%s\n   {\"column\": %zu, \"row\": %zu, \"values\":\n    ", i ? "," : "", cell % columns,
                cell / columns);
        floats(file, features + cell, dimension, count);
        fputs("}", file);
    }
    fputs("]}", file);
}

static void reference_cells(char const *folder, float *picture)
{
    FILE *file = open_json(folder, "hog.json");
    picture_head(file);
    for (int bilinear = 0; bilinear < 2; ++bilinear) {
        struct cells c = hog_cells(picture, WIDTH, HEIGHT, 8);
        vl_hog_set_use_bilinear_orientation_assignments(c.hog, bilinear);
        hog_work(&c);
        fprintf(file, "%s\n  {\"cell\": 8, \"orientations\": 9, \"bilinear\": %s, ", bilinear ? "," : "",
                bilinear ? "true" : "false");
        some_cells(file, c.features, vl_hog_get_width(c.hog), vl_hog_get_height(c.hog), vl_hog_get_dimension(c.hog));
    }
    fputs("]", file);
    close_json(file);
    file = open_json(folder, "lbp.json");
    picture_head(file);
    struct cells c = lbp_cells(picture, WIDTH, HEIGHT, 16);
    lbp_work(&c);
    fputs("\n  {\"cell\": 16, ", file);
    some_cells(file, c.features, WIDTH / 16, HEIGHT / 16, vl_lbp_get_dimension(c.lbp));
    fputs("]", file);
    close_json(file);
}

static void reference_encodings(char const *folder)
{
    enum { D = 6, K = 4, N = 50 };
    double const *rows = named("vlfeat.rows", N * D, 0, 1.5), *means = named("vlfeat.means", K * D, 0, 1);
    double const *variances = named("vlfeat.variances", K * D, 0.5, 0.25), weights[K] = {0.125, 0.25, 0.25, 0.375};
    double code[2 * K * D], *assigned = room(N * K, sizeof *assigned);
    FILE *file = open_json(folder, "fisher.json");
    fputs(",\n \"dimension\": 6, \"rows\": 50", file);
    doubles(file, "weights", weights, K);
    doubles(file, "first_row", rows, D);
    doubles(file, "first_mean", means, D);
    doubles(file, "first_variances", variances, D);
    vl_fisher_encode(code, VL_TYPE_DOUBLE, means, D, K, variances, weights, rows, N, 0);
    doubles(file, "plain", code, 2 * K * D);
    vl_fisher_encode(code, VL_TYPE_DOUBLE, means, D, K, variances, weights, rows, N, VL_FISHER_FLAG_IMPROVED);
    doubles(file, "improved", code, 2 * K * D);
    vl_fisher_encode(code, VL_TYPE_DOUBLE, means, D, K, variances, weights, rows, N,
                     VL_FISHER_FLAG_IMPROVED | VL_FISHER_FLAG_FAST);
    doubles(file, "improved_fast", code, 2 * K * D);
    close_json(file);

    struct coding c = {.n = N, .d = D, .k = K};
    c.rows = room(N * D, sizeof *c.rows);
    c.means = room(K * D, sizeof *c.means);
    for (int i = 0; i < N * D; ++i) c.rows[i] = rows[i];
    for (int i = 0; i < K * D; ++i) c.means[i] = means[i];
    take_words(&c);
    assign(&c);
    file = open_json(folder, "vlad.json");
    fputs(",\n \"dimension\": 6, \"rows\": 50,\n  \"assignment\": [", file);
    for (int i = 0; i < N * K; ++i) {
        assigned[i] = c.assigned[i];
        if (assigned[i] > 0) fprintf(file, "%s%d", i < K ? "" : ", ", i % K);
    }
    fputs("]", file);
    static struct { char const *name; int flags; } const ways[] = {
        {"raw", VL_VLAD_FLAG_UNNORMALIZED},
        {"l2", 0},
        {"intra", VL_VLAD_FLAG_NORMALIZE_COMPONENTS},
        {"root", VL_VLAD_FLAG_SQUARE_ROOT},
        {"root_intra", VL_VLAD_FLAG_SQUARE_ROOT | VL_VLAD_FLAG_NORMALIZE_COMPONENTS},
        {"mass", VL_VLAD_FLAG_NORMALIZE_MASS},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; ++i) {
        vl_vlad_encode(code, VL_TYPE_DOUBLE, means, D, K, rows, N, assigned, ways[i].flags);
        doubles(file, ways[i].name, code, K * D);
    }
    close_json(file);
}

/* Three lumps of rows: a row's lump is its index modulo 3. */
static void reference_gmm(char const *folder)
{
    enum { D = 4, K = 3, N = 200 };
    double *rows = named("vlfeat.gmm.rows", N * D, 0, 1);
    double const *means = named("vlfeat.gmm.means", K * D, 0, 1), weights[K] = {0.25, 0.25, 0.5};
    double variances[K * D];
    for (int i = 0; i < N * D; ++i) rows[i] = (float)(rows[i] + ((i / D) % 3 == i % D));
    for (int i = 0; i < K * D; ++i) variances[i] = 0.5;
    FILE *file = open_json(folder, "gmm.json");
    fputs(",\n \"dimension\": 4, \"rows\": 200", file);
    doubles(file, "first_row", rows, D);
    doubles(file, "first_mean", means, D);
    fputs(",\n \"after\": [", file);
    for (int i = 0; i < 3; ++i) {
        static int const iterations[] = {0, 1, 10};
        VlGMM *mixture = vl_gmm_new(VL_TYPE_DOUBLE, D, K);
        vl_gmm_set_means(mixture, means);
        vl_gmm_set_covariances(mixture, variances);
        vl_gmm_set_priors(mixture, weights);
        vl_gmm_set_max_num_iterations(mixture, iterations[i]);
        double likelihood = vl_gmm_em(mixture, rows, N);
        fprintf(file, "%s\n {\"iterations\": %d, \"log_likelihood\": %.17g", i ? "," : "", iterations[i], likelihood);
        doubles(file, "weights", vl_gmm_get_priors(mixture), K);
        doubles(file, "means", vl_gmm_get_means(mixture), K * D);
        doubles(file, "variances", vl_gmm_get_covariances(mixture), K * D);
        fputs("}", file);
        vl_gmm_delete(mixture);
    }
    fputs("]", file);
    close_json(file);
}

static void write_reference(char const *folder)
{
    float *picture = grey_picture();
    reference_dsift(folder, picture);
    reference_cells(folder, picture);
    reference_encodings(folder);
    reference_gmm(folder);
    free(picture);
}
