#include "data/hdf5.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "data/hdf5_handles.h"
#include "parallel/error.h"

namespace bessemer::data {

using namespace hdf5;

namespace {

/// a x b, or the largest number where that overflows.
uint64_t multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

uint64_t product(const std::vector<uint64_t>& shape) {
  uint64_t all = 1;
  for (const uint64_t extent : shape) {
    if (extent == 0) return 0;
    all = multiply(all, extent);
  }
  return all;
}

}  // namespace

uint64_t DatasetInfo::elements() const { return product(shape); }
uint64_t DatasetInfo::bytes() const { return multiply(elements(), size_of(dtype)); }

struct Hdf5File::State {
  std::string path;
  File file;
  std::vector<DatasetInfo> datasets;
};

namespace {

Dtype dtype_of(hid_t type) {
  for (const Dtype dtype : kDtypes) {
    if (H5Tequal(type, type_of(dtype)) > 0) return dtype;
  }
  return Dtype::kOther;
}

/// Only what lies in this file, and through filters that come with HDF5, is read.
void refuse_foreign_storage(hid_t properties, H5D_layout_t layout, const std::string& path, const std::string& name) {
  BESSEMER_CHECK_DATA(layout != H5D_VIRTUAL, path, ": dataset '", name, "' is virtual (its data is in other files)");
  BESSEMER_CHECK_DATA(READING(H5Pget_external_count(properties)) == 0, path, ": dataset '", name,
                      "' is stored in other files");
  if (layout != H5D_CHUNKED) return;
  const int filters = READING(H5Pget_nfilters(properties));
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    const auto filter =
        READING(H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr));
    BESSEMER_CHECK_DATA(filter < H5Z_FILTER_RESERVED, path, ": dataset '", name, "' needs filter ", filter,
                        ", which is not part of HDF5");
  }
}

DatasetInfo describe(hid_t file, const std::string& name, const std::string& path) {
  const Dataset dataset(READING(H5Dopen2(file, name.c_str(), H5P_DEFAULT)));
  const Type type(READING(H5Dget_type(dataset.get())));
  const Space space(READING(H5Dget_space(dataset.get())));
  const Properties properties(READING(H5Dget_create_plist(dataset.get())));
  const H5D_layout_t layout = READING(H5Pget_layout(properties.get()));
  refuse_foreign_storage(properties.get(), layout, path, name);
  DatasetInfo info{name, dtype_of(type.get()), {}, layout == H5D_CONTIGUOUS, 0};
  std::vector<hsize_t> dims(static_cast<std::size_t>(READING(H5Sget_simple_extent_ndims(space.get()))));
  READING(H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr));
  info.shape.assign(dims.begin(), dims.end());
  const haddr_t offset = info.contiguous ? H5Dget_offset(dataset.get()) : HADDR_UNDEF;
  if (offset != HADDR_UNDEF) info.offset = offset;
  info.contiguous = info.contiguous && (offset != HADDR_UNDEF || info.elements() == 0);
  return info;
}

std::vector<std::string> dataset_names(hid_t file, const std::string& path) {
  std::vector<std::string> links;
  const auto add = [](hid_t, const char* name, const H5L_info_t* info, void* out) -> herr_t {
    if (info->type == H5L_TYPE_HARD) static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  READING(H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, add, &links));
  std::erase_if(links, [&](const std::string& name) {
    H5O_info_t info{};
    READING(H5Oget_info_by_name2(file, name.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT));
    return info.type != H5O_TYPE_DATASET;
  });
  std::sort(links.begin(), links.end());
  return links;
}

File open_file(const std::string& path) {
  struct stat status {};
  BESSEMER_CHECK_DATA(::stat(path.c_str(), &status) == 0, path, ": cannot be read: ", std::strerror(errno));
  BESSEMER_CHECK_DATA(S_ISREG(status.st_mode), path, ": is not a regular file, an HDF5 file is expected");
  READING(H5PLset_loading_state(0));  // no code from plug-ins
  const Properties access(READING(H5Pcreate(H5P_FILE_ACCESS)));
  READING(H5Pset_sieve_buf_size(access.get(), 0));  // it makes random reads three times slower
  File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
  BESSEMER_CHECK_DATA(file.get() >= 0, path, ": no HDF5 file, or cut short (", status.st_size, " bytes): ", words());
  return file;
}

}  // namespace

Hdf5File::Hdf5File(const std::string& path) : state_(std::make_unique<State>()) {
  const Lock lock;
  state_->path = path;
  state_->file = open_file(path);
  for (const auto& name : dataset_names(state_->file.get(), path)) {
    state_->datasets.push_back(describe(state_->file.get(), name, path));
  }
}

Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;
Hdf5File& Hdf5File::operator=(Hdf5File&&) noexcept = default;

const std::string& Hdf5File::path() const { return state_->path; }
const std::vector<DatasetInfo>& Hdf5File::datasets() const { return state_->datasets; }

const DatasetInfo* Hdf5File::find(const std::string& name) const {
  for (const auto& dataset : state_->datasets) {
    if (dataset.name == name) return &dataset;
  }
  return nullptr;
}

const DatasetInfo& Hdf5File::dataset(const std::string& name) const {
  if (const auto* found = find(name)) return *found;
  std::string names;
  for (const auto& dataset : state_->datasets) {
    if (names.size() < 1000) names += concat(names.empty() ? "" : ", ", dataset.name, " ", name_of(dataset.dtype));
  }
  fail(ExitCode::kBadData, path(), ": dataset '", name, "' is missing; found: ", names.empty() ? "none" : names);
}

void Hdf5File::read(const std::string& name, uint64_t first, uint64_t count, Dtype as, void* out) const {
  const std::string& path = this->path();
  const auto& info = dataset(name);
  const uint64_t rows = info.shape.empty() ? 1 : info.shape[0];
  BESSEMER_CHECK_DATA(first <= rows && count <= rows - first, path, ": dataset '", name, "' has ", rows, " rows, rows ",
                      first, " to ", first + count, " are wanted");
  if (count == 0 || info.elements() == 0) return;
  const Lock lock;
  const Dataset dataset(READING(H5Dopen2(state_->file.get(), name.c_str(), H5P_DEFAULT)));
  if (info.shape.empty()) {
    READING(H5Dread(dataset.get(), type_of(as), H5S_ALL, H5S_ALL, H5P_DEFAULT, out));
    return;
  }
  std::vector<hsize_t> begin(info.shape.size(), 0), extent(info.shape.begin(), info.shape.end());
  begin[0] = first, extent[0] = count;
  const Space from(READING(H5Dget_space(dataset.get())));
  READING(H5Sselect_hyperslab(from.get(), H5S_SELECT_SET, begin.data(), nullptr, extent.data(), nullptr));
  const Space to(READING(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr)));
  READING(H5Dread(dataset.get(), type_of(as), to.get(), from.get(), H5P_DEFAULT, out));
}

bool Hdf5File::has_attribute(const std::string& name) const {
  const Lock lock;
  return H5Aexists(state_->file.get(), name.c_str()) > 0;
}

std::string Hdf5File::text(const std::string& name) const {
  const std::string& path = this->path();
  const Lock lock;
  BESSEMER_CHECK_DATA(has_attribute(name), path, ": attribute '", name, "' is missing, a text is expected");
  const AttributeHandle attribute(READING(H5Aopen(state_->file.get(), name.c_str(), H5P_DEFAULT)));
  const Type type(READING(H5Aget_type(attribute.get())));
  const Space space(READING(H5Aget_space(attribute.get())));
  BESSEMER_CHECK_DATA(H5Tget_class(type.get()) == H5T_STRING && H5Sget_simple_extent_npoints(space.get()) == 1, path,
                      ": attribute '", name, "' is not one text");
  if (READING(H5Tis_variable_str(type.get())) > 0) {
    char* value = nullptr;
    READING(H5Aread(attribute.get(), type.get(), &value));
    const std::string text = value ? value : "";
    H5free_memory(value);
    return text;
  }
  std::string value(H5Tget_size(type.get()), '\0');
  READING(H5Aread(attribute.get(), type.get(), value.data()));
  return value.substr(0, value.find('\0'));
}

std::vector<int64_t> Hdf5File::integers(const std::string& name) const {
  const std::string& path = this->path();
  const Lock lock;
  BESSEMER_CHECK_DATA(has_attribute(name), path, ": attribute '", name, "' is missing, an integer is expected");
  const AttributeHandle attribute(READING(H5Aopen(state_->file.get(), name.c_str(), H5P_DEFAULT)));
  const Type type(READING(H5Aget_type(attribute.get())));
  BESSEMER_CHECK_DATA(H5Tget_class(type.get()) == H5T_INTEGER, path, ": attribute '", name, "' is not an integer");
  const Space space(READING(H5Aget_space(attribute.get())));
  const auto count = READING(H5Sget_simple_extent_npoints(space.get()));
  BESSEMER_CHECK_DATA(count <= 1 << 20, path, ": attribute '", name, "' has ", count, " values");
  std::vector<int64_t> values(static_cast<std::size_t>(count));
  if (count > 0) READING(H5Aread(attribute.get(), H5T_NATIVE_INT64, values.data()));
  return values;
}

int64_t Hdf5File::integer(const std::string& name) const {
  const auto values = integers(name);
  BESSEMER_CHECK_DATA(values.size() == 1, path(), ": attribute '", name, "' has ", values.size(), " values, not one");
  return values[0];
}

std::string hdf5_version() {
  const Lock lock;
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return concat(major, ".", minor, ".", release);
}

}  // namespace bessemer::data
