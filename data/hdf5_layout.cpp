#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "data/file.h"
#include "data/hdf5.h"
#include "data/hdf5_handles.h"
#include "data/hdf5_memory.h"

namespace bessemer::data {

using namespace hdf5;

namespace {

/// The largest number where the sum, or the product, overflows.
uint64_t saturated_sum(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

uint64_t bytes_of(const LayoutDataset& dataset) {
  return DatasetInfo{dataset.name, dataset.dtype, dataset.shape, false, 0}.bytes();
}

Space space_of(const std::vector<uint64_t>& shape, const std::string& path) {
  if (shape.empty()) return Space(WRITING(H5Screate(H5S_SCALAR)));
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return Space(WRITING(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr)));
}

/// Fixed-length string type; HDF5 has no strings of length zero, so "" takes one NUL byte.
Type text_type(const std::string& text, const std::string& path) {
  Type type(WRITING(H5Tcopy(H5T_C_S1)));
  WRITING(H5Tset_size(type.get(), std::max<std::size_t>(text.size(), 1)));
  WRITING(H5Tset_strpad(type.get(), H5T_STR_NULLPAD));
  WRITING(H5Tset_cset(type.get(), H5T_CSET_UTF8));
  return type;
}

void write_attribute(hid_t file, const std::string& name, const Attribute& value, const std::string& path) {
  const auto put = [&](hid_t type, const std::vector<uint64_t>& shape, const void* data) {
    const Space space = space_of(shape, path);
    const AttributeHandle made(WRITING(H5Acreate2(file, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT)));
    WRITING(H5Awrite(made.get(), type, data));
  };
  if (const auto* text = std::get_if<std::string>(&value)) return put(text_type(*text, path).get(), {}, text->c_str());
  if (const auto* i64 = std::get_if<int64_t>(&value)) return put(H5T_STD_I64LE, {}, i64);
  if (const auto* u32 = std::get_if<uint32_t>(&value)) return put(H5T_STD_U32LE, {}, u32);
  if (const auto* u64 = std::get_if<uint64_t>(&value)) return put(H5T_STD_U64LE, {}, u64);
  const auto& list = std::get<std::vector<uint32_t>>(value);
  put(H5T_STD_U32LE, {list.size()}, list.data());
}

void make_groups(hid_t file, const std::string& name, const std::string& path) {
  const Properties properties(WRITING(H5Pcreate(H5P_GROUP_CREATE)));
  WRITING(H5Pset_obj_track_times(properties.get(), false));
  for (auto slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    const std::string group = name.substr(0, slash);
    if (WRITING(H5Lexists(file, group.c_str(), H5P_DEFAULT)) > 0) continue;
    Group(WRITING(H5Gcreate2(file, group.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT)));
  }
}

uint64_t make_dataset(hid_t file, const LayoutDataset& wanted, const std::string& path) {
  make_groups(file, wanted.name, path);
  const Properties properties(WRITING(H5Pcreate(H5P_DATASET_CREATE)));
  WRITING(H5Pset_layout(properties.get(), H5D_CONTIGUOUS));
  WRITING(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY));
  WRITING(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER));
  WRITING(H5Pset_obj_track_times(properties.get(), false));
  const Space space = space_of(wanted.shape, path);
  const Dataset dataset(WRITING(H5Dcreate2(file, wanted.name.c_str(), type_of(wanted.dtype), space.get(), H5P_DEFAULT,
                                           properties.get(), H5P_DEFAULT)));
  const haddr_t offset = H5Dget_offset(dataset.get());
  return offset == HADDR_UNDEF ? 0 : offset;  // undefined where there are no elements
}

File create_file(const std::string& path, MemoryFile& memory) {
  const Properties access(WRITING(H5Pcreate(H5P_FILE_ACCESS)));
  WRITING(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110));
  WRITING(H5Pset_alignment(access.get(), 1, 64));
  memory.use(access.get(), path);
  const Properties creation(WRITING(H5Pcreate(H5P_FILE_CREATE)));
  WRITING(H5Pset_obj_track_times(creation.get(), false));
  WRITING(H5Pset_attr_phase_change(creation.get(), 0, 0));  // dense storage from the first: texts beyond 64 KiB fit
  return File(WRITING(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get())));
}

void write_layout(const std::string& path, MemoryFile& memory, const std::vector<LayoutDataset>& datasets,
                  const std::map<std::string, Attribute>& attributes, const std::map<std::string, std::string>& links,
                  std::map<std::string, uint64_t>& offsets) {
  File file = create_file(path, memory);
  for (const auto& dataset : datasets) offsets[dataset.name] = make_dataset(file.get(), dataset, path);
  for (const auto& [name, target] : links) {
    WRITING(H5Lcreate_hard(file.get(), target.c_str(), file.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
  }
  for (const auto& [name, value] : attributes) write_attribute(file.get(), name, value, path);
  WRITING(H5Fclose(file.release()));
}

/// The bytes of a laid-out file that belong to no dataset.
std::vector<Layout::Piece> own_bytes(const MemoryFile& file, const std::vector<LayoutDataset>& datasets,
                                     const Layout& layout) {
  std::vector<std::pair<uint64_t, uint64_t>> taken;
  for (const auto& dataset : datasets) {
    const uint64_t begin = layout.offsets.at(dataset.name);
    if (begin != 0) taken.emplace_back(begin, begin + bytes_of(dataset));
  }
  taken.emplace_back(layout.size, layout.size);
  std::sort(taken.begin(), taken.end());
  std::vector<Layout::Piece> pieces;
  uint64_t reached = 0;
  for (const auto& [begin, end] : taken) {
    if (begin > reached) pieces.push_back({reached, file.read(reached, begin)});
    reached = std::max(reached, end);
  }
  return pieces;
}

}  // namespace

Layout plan_layout(const std::string& name, const std::vector<LayoutDataset>& datasets,
                   const std::map<std::string, Attribute>& attributes,
                   const std::map<std::string, std::string>& links) {
  const Lock lock;
  MemoryFile file;
  Layout layout;
  write_layout(name, file, datasets, attributes, links, layout.offsets);
  layout.size = file.size();
  layout.own = own_bytes(file, datasets, layout);
  return layout;
}

std::map<std::string, uint64_t> create_layout(const std::string& path, const std::vector<LayoutDataset>& datasets,
                                              const std::map<std::string, Attribute>& attributes,
                                              const std::map<std::string, std::string>& links) {
  uint64_t bytes = 1 << 16;  // for HDF5's own tables, rounded up
  for (const auto& dataset : datasets) bytes = saturated_sum(bytes, saturated_sum(bytes_of(dataset), 1024));
  require_space(path, bytes);
  const Layout layout = plan_layout(path, datasets, attributes, links);
  FileDescriptor file(path, FileDescriptor::Mode::kCreate);
  try {
    BESSEMER_CHECK_ENV(::ftruncate(file.get(), static_cast<off_t>(layout.size)) == 0, path, ": cannot have ",
                       layout.size, " bytes: ", std::strerror(errno));
    allocate_file(path);
    for (const auto& piece : layout.own) file.write_at(piece.offset, piece.bytes.data(), piece.bytes.size());
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  return layout.offsets;
}

}  // namespace bessemer::data
