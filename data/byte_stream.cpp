#include "data/byte_stream.h"

#include <lzma.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include "data/file.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kPiece = 1 << 18;
constexpr uint64_t kSlack = 1 << 14;  ///< so that small files may hold blanks

class PlainStream final : public ByteStream {
 public:
  PlainStream(const std::string& path, uint64_t offset) : file_(path, FileDescriptor::Mode::kRead) {
    BESSEMER_CHECK_DATA(::lseek(file_.get(), static_cast<off_t>(offset), SEEK_SET) >= 0, path,
                        ": cannot be read from byte ", offset);
  }
  std::size_t read(char* out, std::size_t bytes) override {
    const std::size_t n = file_.read(out, bytes);
    raw_ += n;
    return n;
  }
  uint64_t raw() const override { return raw_; }

 private:
  FileDescriptor file_;
  uint64_t raw_ = 0;
};

/// What all unpackers share: a piece of the packed file at hand, and the guard against bombs.
class PackedStream : public ByteStream {
 public:
  explicit PackedStream(const std::string& path) : file_(path, FileDescriptor::Mode::kRead), input_(kPiece) {}
  uint64_t raw() const override { return taken_ - available_; }

  std::size_t read(char* out, std::size_t bytes) final {
    std::size_t made = 0;
    while (made < bytes) {
      if (available_ == 0 && !end_) fill();
      const std::size_t before = available_;
      const std::size_t n = unpack(out + made, bytes - made);
      made += n, unpacked_ += n;
      BESSEMER_CHECK_DATA(unpacked_ <= (raw() + kSlack) * kMostExpansion, file_.path(), ": ", raw(),
                          " bytes unpack to more than ", unpacked_,
                          "; this is no text, or made to fill memory: unpack it yourself if you mean it");
      if (n > 0 || available_ != before) continue;
      if (end_) break;
      if (available_ > 0) damaged("it makes no progress");
    }
    if (made < bytes)
      BESSEMER_CHECK_DATA(complete(), file_.path(), ": the file ends within its packed data; it is truncated");
    return made;
  }

 protected:
  /// Unpacks from input() to `out`; takes what it used by `take`. 0 where it needs more input.
  virtual std::size_t unpack(char* out, std::size_t bytes) = 0;
  virtual bool complete() const = 0;  ///< nothing is missing at the end of the file
  const char* input() const { return input_.data() + at_; }
  std::size_t available() const { return available_; }
  void take(std::size_t bytes) { at_ += bytes, available_ -= bytes; }
  bool at_end() const { return end_; }
  [[noreturn]] void damaged(const std::string& why) const {
    fail(ExitCode::kBadData, file_.path(), ": damaged near byte ", raw(), " of the packed file (", why, ")");
  }

 private:
  void fill() {
    available_ = file_.read(input_.data(), input_.size());
    at_ = 0, taken_ += available_;
    end_ = available_ < input_.size();
  }
  FileDescriptor file_;
  std::vector<char> input_;
  std::size_t at_ = 0, available_ = 0;
  uint64_t taken_ = 0, unpacked_ = 0;
  bool end_ = false;
};

class GzipStream final : public PackedStream {
 public:
  explicit GzipStream(const std::string& path) : PackedStream(path) {
    if (inflateInit2(&z_, 15 + 16) != Z_OK) throw std::bad_alloc();  // + 16: with a gzip header
  }
  ~GzipStream() override { inflateEnd(&z_); }

 protected:
  std::size_t unpack(char* out, std::size_t bytes) override {
    if (ended_ && available() == 0) return 0;
    if (ended_) inflateReset(&z_), ended_ = false;  // a file may hold several members
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input()));
    z_.avail_in = static_cast<uInt>(available());
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = static_cast<uInt>(std::min<std::size_t>(bytes, 1 << 30));
    const std::size_t room = z_.avail_out;
    const int status = inflate(&z_, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) damaged(z_.msg != nullptr ? z_.msg : "gzip");
    take(available() - z_.avail_in);
    ended_ = status == Z_STREAM_END;
    return room - z_.avail_out;
  }
  bool complete() const override { return ended_; }

 private:
  z_stream z_{};
  bool ended_ = false;
};

class ZstdStream final : public PackedStream {
 public:
  explicit ZstdStream(const std::string& path) : PackedStream(path), z_(ZSTD_createDStream()) {
    if (z_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(z_, ZSTD_d_windowLogMax,
                           27);  // 128 MiB: `zstd --ultra`; more must be said to zstd itself too
  }
  ~ZstdStream() override { ZSTD_freeDStream(z_); }

 protected:
  std::size_t unpack(char* out, std::size_t bytes) override {
    ZSTD_inBuffer in{input(), available(), 0};
    ZSTD_outBuffer to{out, bytes, 0};
    const std::size_t left = ZSTD_decompressStream(z_, &to, &in);
    if (ZSTD_isError(left)) damaged(ZSTD_getErrorName(left));
    if (in.pos > 0 || to.pos > 0) left_ = left;  // asked for nothing, it says how a next frame would begin
    take(in.pos);
    return to.pos;
  }
  bool complete() const override { return left_ == 0; }

 private:
  ZSTD_DStream* z_;
  std::size_t left_ = 1;  ///< 0: a frame ended here
};

class XzStream final : public PackedStream {
 public:
  explicit XzStream(const std::string& path) : PackedStream(path) {
    if (lzma_stream_decoder(&z_, kMemory, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
  }
  ~XzStream() override { lzma_end(&z_); }

 protected:
  std::size_t unpack(char* out, std::size_t bytes) override {
    if (ended_) return 0;
    z_.next_in = reinterpret_cast<const uint8_t*>(input());
    z_.avail_in = available();
    z_.next_out = reinterpret_cast<uint8_t*>(out);
    z_.avail_out = bytes;
    const lzma_ret status = lzma_code(&z_, at_end() ? LZMA_FINISH : LZMA_RUN);
    if (status != LZMA_OK && status != LZMA_STREAM_END && status != LZMA_BUF_ERROR)
      damaged(status == LZMA_MEMLIMIT_ERROR ? "xz wants more than 256 MiB of memory" : "xz");
    take(available() - z_.avail_in);
    ended_ = status == LZMA_STREAM_END;
    return bytes - z_.avail_out;
  }
  bool complete() const override { return ended_; }

 private:
  static constexpr uint64_t kMemory = 256 << 20;
  lzma_stream z_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

}  // namespace

Packing packing_of(const std::string& path) {
  if (path.ends_with(".gz")) return Packing::kGzip;
  if (path.ends_with(".zst") || path.ends_with(".zstd")) return Packing::kZstd;
  return path.ends_with(".xz") ? Packing::kXz : Packing::kNone;
}

std::string unpacked_name(const std::string& path) {
  return packing_of(path) == Packing::kNone ? path : path.substr(0, path.rfind('.'));
}

std::unique_ptr<ByteStream> open_stream(const std::string& path, uint64_t offset) {
  switch (packing_of(path)) {
    case Packing::kGzip: return std::make_unique<GzipStream>(path);
    case Packing::kZstd: return std::make_unique<ZstdStream>(path);
    case Packing::kXz: return std::make_unique<XzStream>(path);
    case Packing::kNone: break;
  }
  return std::make_unique<PlainStream>(path, offset);
}

}  // namespace bessemer::data
