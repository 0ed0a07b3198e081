#include "data/hdf5_memory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

namespace bessemer::data::hdf5 {

struct MemoryFile::Pages {
  static constexpr uint64_t kPage = 4096;
  std::map<uint64_t, std::array<char, kPage>> pages;  // by number
  uint64_t end_allocated = 0;                         // HDF5's "end of address"
  uint64_t end_written = 0;

  template <class Act>  // act(bytes of a page or nullptr, offset in the request, count)
  void for_each(uint64_t at, uint64_t size, bool make, const Act& act) {
    for (uint64_t done = 0; done < size;) {
      const uint64_t number = (at + done) / kPage, inside = (at + done) % kPage;
      const uint64_t count = std::min(size - done, kPage - inside);
      auto page = pages.find(number);
      if (page == pages.end() && make) page = pages.emplace(number, std::array<char, kPage>{}).first;
      act(page == pages.end() ? nullptr : page->second.data() + inside, done, count);
      done += count;
    }
  }
};

namespace {

using Pages = MemoryFile::Pages;

struct OpenFile {
  H5FD_t base;  // first: HDF5 sees only this
  Pages* pages;
};

Pages& pages_of(const H5FD_t* file) { return *reinterpret_cast<const OpenFile*>(file)->pages; }

H5FD_t* open_pages(const char*, unsigned, hid_t access, haddr_t) {
  const auto* info = static_cast<Pages* const*>(H5Pget_driver_info(access));
  return info == nullptr ? nullptr : &(new OpenFile{{}, *info})->base;
}
herr_t close_pages(H5FD_t* file) {
  delete reinterpret_cast<OpenFile*>(file);
  return 0;
}
int compare(const H5FD_t* a, const H5FD_t* b) {
  return std::less<>()(&pages_of(a), &pages_of(b)) ? -1 : &pages_of(a) != &pages_of(b);
}
herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}
haddr_t get_eoa(const H5FD_t* file, H5FD_mem_t) { return pages_of(file).end_allocated; }
herr_t set_eoa(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  pages_of(file).end_allocated = address;
  return 0;
}
haddr_t get_eof(const H5FD_t* file, H5FD_mem_t) { return pages_of(file).end_written; }
herr_t read_pages(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, size_t size, void* out) {
  pages_of(file).for_each(at, size, false, [&](const char* bytes, uint64_t done, uint64_t count) {
    char* to = static_cast<char*>(out) + done;
    bytes == nullptr ? std::memset(to, 0, count) : std::memcpy(to, bytes, count);
  });
  return 0;
}
herr_t write_pages(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, size_t size, const void* data) {
  Pages& pages = pages_of(file);
  pages.for_each(at, size, true, [&](char* bytes, uint64_t done, uint64_t count) {
    std::memcpy(bytes, static_cast<const char*>(data) + done, count);
  });
  pages.end_written = std::max<uint64_t>(pages.end_written, at + size);
  return 0;
}
herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
  pages_of(file).end_written = pages_of(file).end_allocated;
  return 0;
}

H5FD_class_t driver_class() {
  H5FD_class_t c{};
#if H5_VERSION_GE(1, 13, 0)
  c.version = H5FD_CLASS_VERSION;
  c.value = static_cast<H5FD_class_value_t>(513);  // of those that HDF5 leaves to experiments
#endif
  c.name = "bessemer-memory", c.maxaddr = HADDR_MAX - 1, c.fc_degree = H5F_CLOSE_WEAK;
  c.fapl_size = sizeof(Pages*);
  c.open = open_pages, c.close = close_pages, c.cmp = compare, c.query = query;
  c.get_eoa = get_eoa, c.set_eoa = set_eoa, c.get_eof = get_eof;
  c.read = read_pages, c.write = write_pages, c.truncate = truncate;
  const H5FD_mem_t map[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(map), std::end(map), c.fl_map);
  return c;
}

}  // namespace

MemoryFile::MemoryFile() : pages_(std::make_unique<Pages>()) {}
MemoryFile::~MemoryFile() = default;

void MemoryFile::use(hid_t access, const std::string& path) {
  static const H5FD_class_t driver = driver_class();
  static const hid_t id = H5FDregister(&driver);  // HDF5's own tables are the process's
  Pages* const pages = pages_.get();
  WRITING(H5Pset_driver(access, id, &pages));
}

uint64_t MemoryFile::size() const { return std::max(pages_->end_allocated, pages_->end_written); }

std::string MemoryFile::read(uint64_t begin, uint64_t end) const {
  std::string out(end - begin, '\0');
  pages_->for_each(begin, end - begin, false, [&](const char* bytes, uint64_t done, uint64_t count) {
    if (bytes != nullptr) std::memcpy(out.data() + done, bytes, count);
  });
  return out;
}

}  // namespace bessemer::data::hdf5
