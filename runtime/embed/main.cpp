// Classify one grey image with an xopt bundle, in C++17:
//
//     classify_cpp BUNDLE IMAGE.pgm
//
// Prints one line per class, NAME<TAB>PROBABILITY. Anything wrong: one line on stderr, exit code 1.
// `Classifier` is the part to take into device software. It needs nothing but OpenVINO: cropping,
// normalising, the network and the mean over crops are all inside the bundle's graph.
//
// Digests are not checked here: run `xopt verify` when the bundle is installed on the device.

#include <openvino/openvino.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxManifest = 16U << 20U;
constexpr std::uintmax_t kMaxModel = 1U << 31U;
constexpr std::uintmax_t kMaxImage = 16U << 20U;

[[noreturn]] void refuse(const std::string& reason) {
    throw std::runtime_error(reason);
}

// An open file and its length in bytes, read from the start.
struct File {
    std::string name;
    std::ifstream stream;
    std::size_t size;

    File(const fs::path& path, std::uintmax_t limit) : name(path.string()), size(0) {
        std::error_code failure;
        // Asked before it is opened: the open of a FIFO would wait for a writer for ever.
        if (!fs::is_regular_file(path, failure)) {
            refuse(name + " is no regular file; check the path");
        }
        const std::uintmax_t found = fs::file_size(path, failure);
        if (failure || found == 0 || found > limit) {
            refuse(name + " is empty, or larger than " + std::to_string(limit) + " bytes; check the file");
        }
        size = static_cast<std::size_t>(found);
        stream.open(path, std::ios::binary);
    }

    void read_into(void* place) {
        if (!stream.read(static_cast<char*>(place), static_cast<std::streamsize>(size))) {
            refuse("cannot read " + name + "; check its permissions");
        }
    }
};

std::string read_text(const fs::path& path, std::uintmax_t limit) {
    File file(path, limit);
    std::string text(file.size, '\0');
    file.read_into(text.data());
    return text;
}

// The class names, in the order of the probabilities.
//
// manifest.json has one canonical form (indented by two, one item a line; xopt refuses any
// other), and a JSON string holds no line break. So a line that is exactly `  "classes": [` is that key at
// the top level, and a reader of lines is exact without a JSON library.
std::vector<std::string> read_classes(const fs::path& path) {
    const std::string text = read_text(path, kMaxManifest);
    const std::string schema = "{\n  \"schema\": ";
    if (text.rfind(schema + "1,\n", 0) != 0 && text.rfind(schema + "2,\n", 0) != 0) {
        refuse(path.string() + " is no manifest of schema 1 or 2; make the bundle with xopt");
    }
    const std::string opening = "\n  \"classes\": [\n";
    std::size_t at = text.find(opening);
    if (at == std::string::npos) {
        refuse(path.string() + " names no classes; make the bundle again");
    }
    at += opening.size();
    std::vector<std::string> classes;
    for (bool more = true; more;) {
        const std::size_t end = text.find('\n', at);
        std::string line = text.substr(at, end == std::string::npos ? end : end - at);
        more = !line.empty() && line.back() == ',';
        line.resize(line.size() - (more ? 1 : 0));
        const bool quoted = line.size() > 6 && line.compare(0, 5, "    \"") == 0 && line.back() == '"';
        if (!quoted || line.find_first_of("\"\\", 5) != line.size() - 1 || end == std::string::npos) {
            refuse(path.string() + " has a class name this program does not read: " + line);
        }
        classes.push_back(line.substr(5, line.size() - 6));
        at = end + 1;
    }
    if (text.compare(at, 5, "  ],\n") != 0) {
        refuse(path.string() + " does not end its list of classes; make the bundle again");
    }
    return classes;
}

// A loaded bundle. One object serves one thread; give each further thread an InferRequest of its own.
class Classifier {
public:
    explicit Classifier(const fs::path& bundle) : classes_(read_classes(bundle / "manifest.json")) {
        const std::string xml = read_text(bundle / "model.xml", kMaxModel);
        File file(bundle / "model.bin", kMaxModel);
        // Read into memory: weights loaded by path stay mapped, and a change of the file would then change
        // answers, or end the process.
        ov::Tensor weights(ov::element::u8, ov::Shape{file.size});
        file.read_into(weights.data());
        const std::shared_ptr<ov::Model> model = core_.read_model(xml, weights);
        check_ports(*model);
        // Other outputs, such as those of heatmaps, would be computed for every image, and are not read here.
        const ov::ResultVector results = model->get_results();
        for (const std::shared_ptr<ov::op::v0::Result>& result : results) {
            if (result->input_value(0).get_names().count("probabilities") == 0) {
                model->remove_result(result);
            }
        }
        // Without the first hint OpenVINO computes in bf16 where the CPU has it. The last setting halves the
        // time to start, as xopt's Python does; leave it out if your OpenVINO no longer knows it.
        const ov::AnyMap settings{ov::hint::inference_precision(ov::element::f32),
                                  ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                                  {"SNIPPETS_MODE", "DISABLE"}};
        ov::CompiledModel compiled = core_.compile_model(model, "CPU", settings);
        request_ = compiled.create_infer_request();
    }

    const std::vector<std::string>& classes() const { return classes_; }

    // Width and height of the images it takes, in pixels.
    std::size_t side() const { return side_; }

    // Probabilities in the order of `classes()`. `image`: side x side grey values, row by row.
    std::vector<float> classify(const std::vector<std::uint8_t>& image) {
        if (image.size() != side_ * side_) {
            refuse("the bundle takes " + std::to_string(side_ * side_) + " pixels, got " +
                   std::to_string(image.size()));
        }
        ov::Tensor input = request_.get_tensor("image");
        std::copy(image.begin(), image.end(), input.data<std::uint8_t>());
        request_.infer();
        const ov::Tensor output = request_.get_tensor("probabilities");
        const float* first = output.data<const float>();
        std::vector<float> probabilities(first, first + classes_.size());
        for (const float p : probabilities) {
            if (!std::isfinite(p) || p < 0.0F || p > 1.0F) {
                refuse("the graph answered something that is no probability; make the bundle again");
            }
        }
        return probabilities;
    }

private:
    // By name: a graph may carry further outputs.
    void check_ports(const ov::Model& model) {
        for (const ov::Output<const ov::Node>& port : model.inputs()) {
            const ov::PartialShape& shape = port.get_partial_shape();
            if (model.inputs().size() == 1 && port.get_names().count("image") != 0 &&
                port.get_element_type() == ov::element::u8 && shape.is_static() && shape.size() == 3 &&
                shape[0] == 1 && shape[1] == shape[2]) {
                side_ = port.get_shape()[1];
            }
        }
        const ov::PartialShape expected{1, static_cast<std::int64_t>(classes_.size())};
        bool answers = false;
        for (const ov::Output<const ov::Node>& port : model.outputs()) {
            answers = answers || (port.get_names().count("probabilities") != 0 &&
                                  port.get_element_type() == ov::element::f32 &&
                                  port.get_partial_shape() == expected);
        }
        if (side_ == 0 || !answers) {
            refuse("the graph must map `image`, uint8 (1, side, side), to `probabilities`, float32 (1, " +
                   std::to_string(classes_.size()) + "); make the bundle again");
        }
    }

    std::vector<std::string> classes_;
    std::size_t side_ = 0;
    ov::Core core_;
    ov::InferRequest request_;
};

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// The next number of a PGM's header, with at least one blank or comment before it; moves `at` behind it.
std::size_t next_number(const std::string& bytes, std::size_t& at, const std::string& name) {
    const std::size_t start = at;
    while (at < bytes.size() && (is_space(bytes[at]) || bytes[at] == '#')) {
        at = bytes[at] == '#' ? std::min(bytes.find('\n', at), bytes.size()) : at + 1;
    }
    const std::size_t first = at;
    std::size_t value = 0;
    for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && at - first < 5; ++at) {
        value = 10 * value + static_cast<std::size_t>(bytes[at] - '0');
    }
    if (first == start || at == first) {
        refuse(name + " has a damaged PGM header; write it again");
    }
    return value;
}

// The pixels of a binary 8-bit PGM that has exactly side x side of them.
std::vector<std::uint8_t> read_pgm(const fs::path& path, std::size_t side) {
    const std::string name = path.string();
    const std::string bytes = read_text(path, kMaxImage);
    if (bytes.compare(0, 2, "P5") != 0) {
        refuse(name + " is no binary PGM (P5); convert it to 8-bit grey PGM");
    }
    std::size_t at = 2;
    const std::size_t width = next_number(bytes, at, name);
    const std::size_t height = next_number(bytes, at, name);
    const std::size_t maximum = next_number(bytes, at, name);
    if (maximum != 255) {
        refuse(name + " has the brightest value " + std::to_string(maximum) +
               ", not 255; convert it to 8 bit");
    }
    if (width != side || height != side) {
        refuse(name + " is " + std::to_string(width) + " x " + std::to_string(height) +
               " pixels, the bundle takes " + std::to_string(side) + " x " + std::to_string(side) +
               "; resize it first");
    }
    if (at == bytes.size() || !is_space(bytes[at])) {
        refuse(name + " has a damaged PGM header; write it again");
    }
    if (bytes.size() - ++at != side * side) {
        refuse(name + " holds " + std::to_string(bytes.size() - at) + " pixels, its header says " +
               std::to_string(side * side) + "; write it again");
    }
    return {bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end()};
}

// OpenVINO's messages run over several lines.
std::string one_line(std::string text) {
    std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: classify_cpp BUNDLE IMAGE.pgm\n");
        return 2;
    }
    try {
        Classifier classifier(argv[1]);
        const std::vector<float> answer = classifier.classify(read_pgm(argv[2], classifier.side()));
        for (std::size_t i = 0; i < answer.size(); ++i) {
            // Nine digits tell any two float32 apart.
            std::printf("%s\t%.9g\n", classifier.classes()[i].c_str(), static_cast<double>(answer[i]));
        }
        if (std::fflush(stdout) != 0) {
            refuse("cannot write the answer to standard output");
        }
    } catch (const ov::Exception& error) {
        std::fprintf(stderr, "classify_cpp: OpenVINO cannot run %s; check it with xopt verify: %s\n", argv[1],
                     one_line(error.what()).c_str());
        return 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "classify_cpp: %s\n", one_line(error.what()).c_str());
        return 1;
    }
    return 0;
}
