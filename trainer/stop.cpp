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
  switch (signal_number) {
    case SIGUSR1: return "SIGUSR1";
    case SIGTERM: return "SIGTERM";
    case SIGHUP: return "SIGHUP";
    default: return "Ctrl-C";
  }
}

}  // namespace

struct StopRequests::Handlers {
  struct sigaction usr1 {};
  struct sigaction term {};
  struct sigaction interrupt {};
  struct sigaction hang_up {};
};

namespace {

void handle(int number, struct sigaction& old) {
  struct sigaction action {};
  action.sa_handler = ask;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  BESSEMER_CHECK_ENV(sigaction(number, &action, &old) == 0, "the handlers of stop signals cannot be set");
}

}  // namespace

StopRequests::StopRequests(bool alone, bool early) : alone_(alone), old_(std::make_unique<Handlers>()) {
  asked_by = 0;
  handle(SIGUSR1, old_->usr1);
  if (early) hear_endings();
}

void StopRequests::hear_endings() {
  if (!alone_ || hears_endings_) return;
  hears_endings_ = true;
  handle(SIGTERM, old_->term);
  handle(SIGINT, old_->interrupt);
  handle(SIGHUP, old_->hang_up);
  if (old_->hang_up.sa_handler == SIG_IGN) sigaction(SIGHUP, &old_->hang_up, nullptr);
}

StopRequests::~StopRequests() {
  sigaction(SIGUSR1, &old_->usr1, nullptr);
  if (!hears_endings_) return;
  sigaction(SIGTERM, &old_->term, nullptr);
  sigaction(SIGINT, &old_->interrupt, nullptr);
  sigaction(SIGHUP, &old_->hang_up, nullptr);
}

void StopRequests::watch(std::string stop_file) {
  stop_file_ = std::move(stop_file);
  hear_endings();
}

std::string StopRequests::poll() {
  if (reason_.empty() && asked_by != 0) reason_ = name_of(asked_by);
  if (!stop_file_.empty() && exists(stop_file_)) {
    unlink(stop_file_.c_str());  // else the next start would stop at once
    if (reason_.empty()) reason_ = "the file " + stop_file_;
  }
  return reason_;
}

}  // namespace bessemer::trainer
