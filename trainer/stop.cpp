#include "trainer/stop.h"

#include <signal.h>
#include <unistd.h>

#include "parallel/error.h"
#include "trainer/files.h"

namespace bessemer::trainer {
namespace {

volatile sig_atomic_t asked_by = 0;  // the only word that a handler and the program share

void ask(int signal_number) {
  if (signal_number == SIGINT && asked_by == SIGINT) {  // the second Ctrl-C: now
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    sigaction(SIGINT, &by_default, nullptr);
    raise(SIGINT);  // delivered when this handler returns
    return;
  }
  asked_by = signal_number;
}

const char* name_of(int signal_number) {
  return signal_number == SIGUSR1 ? "SIGUSR1" : signal_number == SIGTERM ? "SIGTERM" : "Ctrl-C";
}

}  // namespace

struct StopRequests::Handlers {
  struct sigaction usr1 {};
  struct sigaction term {};
  struct sigaction interrupt {};
};

StopRequests::StopRequests(bool alone) : alone_(alone), old_(std::make_unique<Handlers>()) {
  asked_by = 0;
  struct sigaction action {};
  action.sa_handler = ask;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  const bool ok =
      sigaction(SIGUSR1, &action, &old_->usr1) == 0 &&
      (!alone_ || (sigaction(SIGTERM, &action, &old_->term) == 0 && sigaction(SIGINT, &action, &old_->interrupt) == 0));
  BESSEMER_CHECK_ENV(ok, "the handlers of stop signals cannot be set");
}

StopRequests::~StopRequests() {
  sigaction(SIGUSR1, &old_->usr1, nullptr);
  if (alone_) {
    sigaction(SIGTERM, &old_->term, nullptr);
    sigaction(SIGINT, &old_->interrupt, nullptr);
  }
}

void StopRequests::watch(std::string stop_file) { stop_file_ = std::move(stop_file); }

std::string StopRequests::poll() {
  if (reason_.empty() && asked_by != 0) reason_ = name_of(asked_by);
  if (!stop_file_.empty() && exists(stop_file_)) {
    unlink(stop_file_.c_str());  // else the next start would stop at once
    if (reason_.empty()) reason_ = "the file " + stop_file_;
  }
  return reason_;
}

}  // namespace bessemer::trainer
