#include "configs/ini.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/configs/support.h"

namespace bessemer::configs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Ini, ReadsSectionsQuotesAndComments) {
  const auto ini = read_ini_text(
      "\xEF\xBB\xBF# a comment\r\n; another\r\ntop = 1\r\n\r\n[model] # behind\r\nlayers=3 ; trailing\r\n"
      "name = a#b;c\r\n[run]\ndir = \"q # \\\"v\\\"\\n\" # c\nother = 'it''s'\nsingle = '\\n'\nempty =\n",
      "x");
  EXPECT_THAT(ini.problems, ElementsAre(HasSubstr("x:10: the quotes of run.other = 'it''s' do not close")));
  EXPECT_THAT(ini.settings, ElementsAre(Setting{"top", "1", "x:3"}, Setting{"model.layers", "3", "x:6"},
                                        Setting{"model.name", "a#b;c", "x:7"}, Setting{"run.dir", "q # \"v\"\n", "x:9"},
                                        Setting{"run.single", "\\n", "x:11"}, Setting{"run.empty", "", "x:12"}));
}

TEST(Ini, NamesLineOfWhatIsNoAssignment) {
  const auto ini = read_ini_text("[a]\nlayers 3\n[b\n= 4\nx = \"open\n", "f");
  EXPECT_THAT(ini.problems, ElementsAre(HasSubstr("f:2: 'layers 3' is neither [section] nor key = value"),
                                        HasSubstr("f:3: '[b' is no section"), HasSubstr("f:4: '= 4'"),
                                        HasSubstr("f:5: the quotes of a.x")));
}

TEST(Ini, ShowsBothPlacesOfADuplicate) {
  const auto ini = read_ini_text("[a]\nx = 1\ny = 2\n[b]\nx = 1\n[a]\nx = 3\n", "f");
  EXPECT_THAT(ini.problems, ElementsAre("f:7: a.x is given twice; the first is at f:2"));
  EXPECT_THAT(ini.settings, SizeIs(3));
}

TEST(Ini, IncludesRelativeToTheFileAndOverridesThem) {
  Files files;
  files.write("base/shape.ini", "[model]\nlayers = 1\n");
  files.write("base/run.ini", "include = shape.ini\n[run]\nseed = 1\n");
  const auto main = files.write("main.ini", "include = base/run.ini\n[model]\nlayers = 9\n");
  const auto ini = read_ini(main);
  EXPECT_THAT(ini.problems, IsEmpty());
  EXPECT_THAT(ini.settings, ElementsAre(Setting{"model.layers", "1", files.path("base/shape.ini") + ":2"},
                                        Setting{"run.seed", "1", files.path("base/run.ini") + ":3"},
                                        Setting{"model.layers", "9", main + ":3"}));
}

TEST(Ini, RefusesCyclesMissingFilesAndLateIncludes) {
  Files files;
  const auto a = files.write("a.ini", "include = b.ini\n");
  files.write("b.ini", "include = a.ini\ninclude = none.ini\n[s]\ninclude = c.ini\n");
  EXPECT_THAT(read_ini(a).problems,
              ElementsAre(testing::AllOf(HasSubstr("b.ini:1: include = "),
                                         HasSubstr("goes in a circle: a.ini -> b.ini -> a.ini")),
                          testing::AllOf(HasSubstr("cannot read the file "),
                                         HasSubstr("none.ini (included at " + files.path("b.ini") + ":2)")),
                          HasSubstr("b.ini:4: include stands below [s]")));
  EXPECT_THAT(read_ini(files.path("no.ini")).problems,
              ElementsAre(HasSubstr("cannot read the file " + files.path("no.ini"))));
  EXPECT_THAT(read_ini(files.path("")).problems, SizeIs(1));
}

TEST(Ini, IncludesOneFileTwiceWithoutACycle) {
  Files files;
  files.write("c.ini", "[s]\nx = 1\n");
  files.write("b.ini", "include = c.ini\n");
  EXPECT_THAT(read_ini(files.write("a.ini", "include = b.ini\ninclude = c.ini\n")).problems, IsEmpty());
}

}  // namespace
}  // namespace bessemer::configs
