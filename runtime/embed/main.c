/* Classify one grey image with an xopt bundle, in C11:
 *
 *     classify_c BUNDLE IMAGE.pgm
 *
 * Prints one line per class, NAME<TAB>PROBABILITY. Anything wrong: one line on stderr, exit code 1.
 * classifier_load, classifier_run and classifier_free are the part to take into device software. They need
 * nothing but OpenVINO: cropping, normalising, the network and the mean over crops are all inside the graph.
 *
 * Digests are not checked here: run `xopt verify` when the bundle is installed on the device.
 */
#define _POSIX_C_SOURCE 200809L /* fstat, O_NONBLOCK */

#include <fcntl.h>
#include <math.h>
#include <openvino/c/openvino.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MANIFEST ((size_t)16 << 20)
#define MAX_MODEL ((size_t)1 << 31)
#define MAX_IMAGE ((size_t)16 << 20)
#define MAX_PATH_BYTES 4096

/* A loaded bundle. One object serves one thread; give each further thread a request of its own. */
typedef struct {
    char *manifest; /* the text that `classes` points into */
    char **classes; /* names, in the order of the probabilities */
    size_t class_count;
    size_t side; /* width and height of the images it takes, in pixels */
    ov_core_t *core;
    ov_tensor_t *weights;
    ov_model_t *model;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
} classifier_t;

/* Say in one line what is wrong. Always false, to be returned. */
static bool refuse(const char *format, ...) {
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (char *c = text; *c; ++c) {
        if (*c == '\n' || *c == '\r') *c = ' ';
    }
    fprintf(stderr, "classify_c: %s\n", text);
    return false;
}

/* Whether an OpenVINO call went well. */
static bool worked(ov_status_e status, const char *step) {
    if (status == OK) return true;
    const char *reason = ov_get_last_err_msg();
    refuse("OpenVINO cannot %s; check the bundle with xopt verify: %s", step,
           reason != NULL ? reason : ov_get_error_info(status));
    if (reason != NULL) ov_free(reason);
    return false;
}

/* Open a regular file of 1..limit bytes: its descriptor and length, or -1. */
static int open_file(const char *path, size_t limit, size_t *size) {
    /* Without O_NONBLOCK the open of a FIFO would wait for a writer for ever. */
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        refuse("%s is no regular file, or cannot be opened; check the path", path);
    } else if (facts.st_size <= 0 || (uintmax_t)facts.st_size > limit) {
        refuse("%s is empty, or larger than %zu bytes; check the file", path, limit);
    } else {
        *size = (size_t)facts.st_size;
        return file;
    }
    if (file >= 0) close(file);
    return -1;
}

/* Fill `place` with `size` bytes; closes the file. */
static bool read_all(int file, const char *path, void *place, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(file, (char *)place + done, size - done);
        if (got <= 0) break;
        done += (size_t)got;
    }
    close(file);
    return done == size || refuse("cannot read %s to its end; check the file", path);
}

/* The content of a file with a 0 byte behind it, to be freed; or NULL. */
static char *read_text(const char *path, size_t limit, size_t *size) {
    const int file = open_file(path, limit, size);
    if (file < 0) return NULL;
    char *text = malloc(*size + 1);
    if (text == NULL) {
        close(file);
        refuse("no memory for %zu bytes of %s", *size, path);
        return NULL;
    }
    if (!read_all(file, path, text, *size)) {
        free(text);
        return NULL;
    }
    text[*size] = '\0';
    return text;
}

static bool join(char *path, const char *folder, const char *name) {
    const int length = snprintf(path, MAX_PATH_BYTES, "%s/%s", folder, name);
    return (length > 0 && length < MAX_PATH_BYTES) || refuse("%s is too long a path", folder);
}

/* Take the class names out of manifest.json.
 *
 * It has one canonical form (indented by two, one item a line; xopt refuses any other), and a JSON
 * string holds no line break. So a line that is exactly `  "classes": [` is that key at the top level, and a
 * reader of lines is exact without a JSON library.
 */
static bool read_classes(classifier_t *c, const char *bundle) {
    static const char schema[] = "{\n  \"schema\": ", opening[] = "\n  \"classes\": [\n";
    char path[MAX_PATH_BYTES];
    size_t size = 0;
    if (!join(path, bundle, "manifest.json")) return false;
    c->manifest = read_text(path, MAX_MANIFEST, &size);
    if (c->manifest == NULL) return false;
    const char *number = c->manifest + strlen(schema);
    if (strncmp(c->manifest, schema, strlen(schema)) != 0 ||
        (strncmp(number, "1,\n", 3) != 0 && strncmp(number, "2,\n", 3) != 0)) {
        return refuse("%s is no manifest of schema 1 or 2; make the bundle with xopt", path);
    }
    char *line = strstr(c->manifest, opening);
    if (line == NULL) return refuse("%s names no classes; make the bundle again", path);
    line += strlen(opening);
    for (bool more = true; more;) {
        char *end = strchr(line, '\n');
        char *close_quote = end == NULL ? NULL : end - 1;
        more = close_quote != NULL && *close_quote == ',';
        if (more) --close_quote;
        const bool quoted = close_quote != NULL && close_quote - line > 5 && memcmp(line, "    \"", 5) == 0;
        if (!quoted || line + 5 + strcspn(line + 5, "\"\\") != close_quote || *close_quote != '"') {
            return refuse("%s has a class name this program does not read", path);
        }
        *close_quote = '\0';
        char **longer = realloc(c->classes, (c->class_count + 1) * sizeof *longer);
        if (longer == NULL) return refuse("no memory for the class names");
        c->classes = longer;
        c->classes[c->class_count++] = line + 5;
        line = end + 1;
    }
    return strncmp(line, "  ],\n", 5) == 0 || refuse("%s does not end its list of classes", path);
}

/* Read the graph, weights and all, into memory: weights loaded by path stay mapped, and a change of the file
 * would then change answers, or end the process.
 */
static bool read_model(classifier_t *c, const char *bundle) {
    char path[MAX_PATH_BYTES];
    size_t size = 0;
    if (!join(path, bundle, "model.bin")) return false;
    const int file = open_file(path, MAX_MODEL, &size);
    if (file < 0) return false;
    int64_t length = (int64_t)size;
    void *place = NULL;
    const ov_shape_t shape = {1, &length};
    if (!worked(ov_tensor_create(U8, shape, &c->weights), "hold the weights") ||
        !worked(ov_tensor_data(c->weights, &place), "hold the weights")) {
        close(file);
        return false;
    }
    if (!read_all(file, path, place, size) || !join(path, bundle, "model.xml")) return false;
    char *xml = read_text(path, MAX_MODEL, &size);
    if (xml == NULL) return false;
    const ov_status_e status =
        ov_core_read_model_from_memory_buffer(c->core, xml, size, c->weights, &c->model);
    const bool done = worked(status, "read the model");
    free(xml);
    return done;
}

/* The static shape and the type of a port; frees the port. A rank beyond four is refused. */
static bool describe(ov_output_const_port_t *port, ov_element_type_e *type, size_t *rank, int64_t dims[4]) {
    ov_shape_t shape = {0, NULL};
    bool done = worked(ov_port_get_element_type(port, type), "tell the type of a port") &&
                worked(ov_const_port_get_shape(port, &shape), "tell the shape of a port");
    if (done && shape.rank > 4) done = refuse("the graph has a port of rank %lld", (long long)shape.rank);
    if (done) {
        *rank = (size_t)shape.rank;
        memcpy(dims, shape.dims, *rank * sizeof *dims);
    }
    (void)ov_shape_free(&shape); /* nothing is left to do where this fails */
    ov_output_const_port_free(port);
    return done;
}

/* Insist on the one input and the output that a bundle has; by name, as a graph may carry further outputs. */
static bool check_ports(classifier_t *c) {
    ov_output_const_port_t *port = NULL;
    ov_element_type_e type;
    size_t inputs = 0, rank = 0;
    int64_t dims[4] = {0};
    if (!worked(ov_model_inputs_size(c->model, &inputs), "count the inputs") ||
        !worked(ov_model_const_input_by_name(c->model, "image", &port), "find the input `image`") ||
        !describe(port, &type, &rank, dims)) {
        return false;
    }
    if (inputs != 1 || type != U8 || rank != 3 || dims[0] != 1 || dims[1] <= 0 || dims[1] != dims[2]) {
        return refuse("the graph must take `image`, uint8 (1, side, side); make the bundle again");
    }
    c->side = (size_t)dims[1];
    if (!worked(ov_model_const_output_by_name(c->model, "probabilities", &port), "find `probabilities`") ||
        !describe(port, &type, &rank, dims)) {
        return false;
    }
    if (type != F32 || rank != 2 || dims[0] != 1 || (uint64_t)dims[1] != c->class_count) {
        return refuse("the graph must give `probabilities`, float32 (1, %zu); make the bundle again",
                      c->class_count);
    }
    return true;
}

static void classifier_free(classifier_t *c) {
    ov_infer_request_free(c->request);
    ov_compiled_model_free(c->compiled);
    ov_model_free(c->model);
    ov_tensor_free(c->weights);
    ov_core_free(c->core);
    free(c->classes);
    free(c->manifest);
    memset(c, 0, sizeof *c);
}

/* Load a bundle. Needs classifier_free afterwards, also when it failed. */
static bool classifier_load(classifier_t *c, const char *bundle) {
    memset(c, 0, sizeof *c);
    return read_classes(c, bundle) && worked(ov_core_create(&c->core), "start") && read_model(c, bundle) &&
           check_ports(c) &&
           /* Without the first hint OpenVINO computes in bf16 where the CPU has it. The last setting halves the
              time to start, as xopt's Python does; leave it out if your OpenVINO no longer knows it. */
           worked(ov_core_compile_model(c->core, c->model, "CPU", 6, &c->compiled,
                                        ov_property_key_hint_inference_precision, "f32",
                                        ov_property_key_hint_performance_mode, "LATENCY",
                                        "SNIPPETS_MODE", "DISABLE"),
                  "compile the model") &&
           worked(ov_compiled_model_create_infer_request(c->compiled, &c->request), "make a request");
}

/* image: side x side grey values, row by row. probabilities: room for class_count of them. */
static bool classifier_run(classifier_t *c, const uint8_t *image, float *probabilities) {
    ov_tensor_t *input = NULL, *output = NULL;
    void *data = NULL;
    bool done = worked(ov_infer_request_get_tensor(c->request, "image", &input), "give the input") &&
                worked(ov_tensor_data(input, &data), "give the input");
    if (done) {
        memcpy(data, image, c->side * c->side);
        done = worked(ov_infer_request_infer(c->request), "infer") &&
               worked(ov_infer_request_get_tensor(c->request, "probabilities", &output), "give the answer") &&
               worked(ov_tensor_data(output, &data), "give the answer");
    }
    if (done) memcpy(probabilities, data, c->class_count * sizeof *probabilities);
    for (size_t i = 0; done && i < c->class_count; ++i) {
        const float p = probabilities[i];
        if (!isfinite(p) || p < 0.0F || p > 1.0F) {
            done = refuse("the graph answered something that is no probability; make the bundle again");
        }
    }
    ov_tensor_free(output);
    ov_tensor_free(input);
    return done;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next number of a PGM's header, with at least one blank or comment before it; moves `at` behind it. */
static bool next_number(const char **at, size_t *value) {
    const char *start = *at;
    while (is_space(**at) || **at == '#') {
        *at += **at == '#' ? strcspn(*at, "\n") : 1;
    }
    const char *first = *at;
    *value = 0;
    for (; **at >= '0' && **at <= '9' && *at - first < 5; ++*at) {
        *value = 10 * *value + (size_t)(**at - '0');
    }
    return first != start && *at != first;
}

/* Find the pixels of a binary 8-bit PGM that has exactly side x side of them. */
static bool find_pixels(const char *name, const char *bytes, size_t size, size_t side,
                        const uint8_t **pixels) {
    if (strncmp(bytes, "P5", 2) != 0) {
        return refuse("%s is no binary PGM (P5); convert it to 8-bit grey PGM", name);
    }
    const char *at = bytes + 2;
    size_t width, height, maximum;
    if (!next_number(&at, &width) || !next_number(&at, &height) || !next_number(&at, &maximum)) {
        return refuse("%s has a damaged PGM header; write it again", name);
    }
    if (maximum != 255) {
        return refuse("%s has the brightest value %zu, not 255; convert it to 8 bit", name, maximum);
    }
    if (width != side || height != side) {
        return refuse("%s is %zu x %zu pixels, the bundle takes %zu x %zu; resize it first", name, width,
                      height, side, side);
    }
    if (!is_space(*at)) return refuse("%s has a damaged PGM header; write it again", name);
    const size_t found = size - (size_t)(++at - bytes);
    if (found != side * side) {
        return refuse("%s holds %zu pixels, its header says %zu; write it again", name, found, side * side);
    }
    *pixels = (const uint8_t *)at;
    return true;
}

/* Classify one PGM and print the answer. */
static bool answer(classifier_t *c, const char *path) {
    size_t size = 0;
    const uint8_t *pixels = NULL;
    char *bytes = read_text(path, MAX_IMAGE, &size);
    float *probabilities = calloc(c->class_count, sizeof *probabilities);
    bool done = bytes != NULL && probabilities != NULL && find_pixels(path, bytes, size, c->side, &pixels) &&
                classifier_run(c, pixels, probabilities);
    for (size_t i = 0; done && i < c->class_count; ++i) {
        /* Nine digits tell any two float32 apart. */
        printf("%s\t%.9g\n", c->classes[i], (double)probabilities[i]);
    }
    if (done && fflush(stdout) != 0) done = refuse("cannot write the answer to standard output");
    free(probabilities);
    free(bytes);
    return done;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: classify_c BUNDLE IMAGE.pgm\n");
        return 2;
    }
    classifier_t classifier;
    const bool done = classifier_load(&classifier, argv[1]) && answer(&classifier, argv[2]);
    classifier_free(&classifier);
    return done ? 0 : 1;
}
