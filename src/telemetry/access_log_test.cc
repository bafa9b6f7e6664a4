#include "telemetry/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace lotagate::telemetry {
namespace {

// A directory of the test's own.
class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    std::string name = testing::TempDir() + "access_log_XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~AccessLogTest() override { std::filesystem::remove_all(directory_); }

  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }

  std::unique_ptr<AccessLog> open(const std::string& file, std::uint32_t workers = 1) {
    auto log = AccessLog::open({.file = file, .buffer_bytes = 0, .workers = workers});
    EXPECT_TRUE(log) << log.error();
    return std::move(*log);
  }

  std::string directory_;
};

std::string content(const std::string& file) {
  std::ostringstream all;
  all << std::ifstream(file).rdbuf();
  return all.str();
}

RequestRecord record_of(std::string_view id) {
  RequestRecord record;
  record.request_id = id;
  record.method = "GET";
  record.path = "/";
  return record;
}

// The request ids of whole lines; any byte that is not part of one fails the test.
std::vector<std::string> ids_of(const std::string& text) {
  std::vector<std::string> ids;
  simdjson::dom::parser parser;
  std::istringstream lines(text);
  EXPECT_TRUE(text.empty() || text.ends_with('\n'));
  for (std::string line; std::getline(lines, line);) {
    std::string_view id;
    EXPECT_EQ(parser.parse(line)["request_id"].get(id), simdjson::SUCCESS) << line;
    ids.emplace_back(id);
  }
  return ids;
}

// Waits for a condition that another thread brings about; the test's own time limit is the bound.
template <typename Condition>
void await(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

// Reads what is there without waiting.
std::string read_now(int fd, std::size_t most = 1 << 20) {
  std::string text(most, '\0');
  ssize_t bytes = read(fd, text.data(), text.size());
  text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  return text;
}

// Fills the ring until a line is dropped.
void write_until_dropped(AccessLog& log) {
  const std::uint64_t before = log.stats().dropped_lines;
  for (std::uint64_t i = 0; log.stats().dropped_lines == before; ++i) {
    log.shard(0).write(record_of("fill" + std::to_string(i)));
  }
}

// A reader's end of a new FIFO that holds 4 KiB, a tenth of the ring, so that a full ring cannot drain into it.
int open_small_fifo(const std::string& file) {
  EXPECT_EQ(mkfifo(file.c_str(), 0600), 0);
  int reader = ::open(file.c_str(), O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(fcntl(reader, F_SETPIPE_SZ, 4096), 4096);
  return reader;
}

TEST_F(AccessLogTest, WritesLinesInOrderAndFlushesAtTheEnd) {
  std::vector<std::string> expected;
  auto log = open(path("log"));
  for (int i = 0; i < 20000; ++i) {
    expected.push_back(std::to_string(i));
    // The ring is small: it wraps dozens of times, and the writer is given the time to make room.
    std::uint64_t dropped = log->stats().dropped_lines;
    do {
      log->shard(0).write(record_of(expected.back()));
    } while (std::exchange(dropped, log->stats().dropped_lines) != dropped);
  }
  log.reset();
  EXPECT_EQ(ids_of(content(path("log"))), expected);
}

TEST_F(AccessLogTest, ALineAppearsWithoutAnyFurtherCall) {
  auto log = open(path("log"));
  for (int i = 0; i < 3; ++i) {
    log->shard(0).write(record_of("x"));
    await([&] { return ids_of(content(path("log"))).size() == static_cast<std::size_t>(i) + 1; });
  }
}

TEST_F(AccessLogTest, AppendsAndKeepsOthersOut) {
  {
    auto log = open(path("log"));
    log->shard(0).write(record_of("a"));
  }
  {
    auto log = open(path("log"));
    log->shard(0).write(record_of("b"));
  }
  EXPECT_EQ(ids_of(content(path("log"))), (std::vector<std::string>{"a", "b"}));
  struct stat status{};
  ASSERT_EQ(stat(path("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0007, 0u);
}

TEST_F(AccessLogTest, ReportsAFileThatCannotBeOpened) {
  auto log = AccessLog::open({.file = path("missing/log")});
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().find("missing/log"), std::string::npos);
}

TEST_F(AccessLogTest, WithoutAFileWritesNothing) {
  auto log = open("");
  log->shard(0).write(record_of("x"));
  log->reopen();
  EXPECT_EQ(log->stats().lines, 0u);
}

TEST_F(AccessLogTest, EveryWorkersLinesArriveWholeOrAreCounted) {
  constexpr std::uint32_t kWorkers = 4;
  constexpr std::uint64_t kLines = 4000;
  auto log = open(path("log"), kWorkers);
  {
    std::vector<std::jthread> workers;
    for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
      workers.emplace_back([&, worker] {
        const std::string id = std::to_string(worker);
        const std::string padding(worker * 400, 'p');
        RequestRecord record = record_of(id);
        record.path = padding;
        for (std::uint64_t i = 0; i < kLines; ++i) log->shard(worker).write(record);
      });
    }
  }
  AccessLogStats stats = log->stats();
  EXPECT_EQ(stats.lines + stats.dropped_lines, kWorkers * kLines);
  log.reset();
  EXPECT_EQ(ids_of(content(path("log"))).size(), stats.lines);
}

TEST_F(AccessLogTest, AReaderThatStopsCostsLinesButNothingElse) {
  int reader = open_small_fifo(path("fifo"));
  auto log = open(path("fifo"));
  write_until_dropped(*log);  // nobody reads: first the pipe, then the ring is full
  EXPECT_GT(log->stats().dropped_bytes, 0u);

  // The reader comes back: everything that was accepted arrives, whole and in order, and new lines follow.
  std::string text;
  await([&] {
    text += read_now(reader);
    return text.size() == log->stats().written_bytes && ids_of(text).size() == log->stats().lines;
  });
  log->shard(0).write(record_of("after"));
  await([&] { return (text += read_now(reader)).find("\"after\"") != std::string::npos; });
  EXPECT_EQ(ids_of(text).size(), log->stats().lines);
  close(reader);
}

TEST_F(AccessLogTest, EndsInBoundedTimeWhileNobodyReads) {
  int reader = open_small_fifo(path("fifo"));
  auto log = open(path("fifo"));
  write_until_dropped(*log);
  const std::uint64_t accepted = log->stats().lines;
  log.reset();  // returns
  EXPECT_LT(ids_of(read_now(reader)).size(), accepted);
  close(reader);
}

TEST_F(AccessLogTest, AReaderThatIsGoneIsAnErrorNotASignal) {
  int reader = open_small_fifo(path("fifo"));
  auto log = open(path("fifo"));
  close(reader);
  log->shard(0).write(record_of("x"));
  await([&] { return log->stats().write_errors > 0; });
  reader = ::open(path("fifo").c_str(), O_RDONLY | O_NONBLOCK);
  std::string text;
  await([&] { return (text += read_now(reader)).ends_with('\n'); });
  EXPECT_EQ(ids_of(text), std::vector<std::string>{"x"});
  close(reader);
}

TEST_F(AccessLogTest, AFullDiskCostsLinesAndHeals) {
  std::filesystem::create_symlink("/dev/full", path("log"));
  auto log = open(path("log"));
  write_until_dropped(*log);
  await([&] { return log->stats().write_errors > 0; });
  EXPECT_EQ(log->stats().written_bytes, 0u);
  std::filesystem::remove(path("log"));
  log->reopen();
  await([&] { return ids_of(content(path("log"))).size() == log->stats().lines; });
}

TEST_F(AccessLogTest, ReopenFollowsARotation) {
  auto log = open(path("log"));
  log->shard(0).write(record_of("old"));
  await([&] { return !content(path("log")).empty(); });
  std::filesystem::rename(path("log"), path("log.1"));
  log->reopen();
  await([&] { return std::filesystem::exists(path("log")); });
  log->shard(0).write(record_of("new"));
  await([&] { return !content(path("log")).empty(); });
  EXPECT_EQ(ids_of(content(path("log.1"))), std::vector<std::string>{"old"});
  EXPECT_EQ(ids_of(content(path("log"))), std::vector<std::string>{"new"});
}

TEST_F(AccessLogTest, AFailedReopenKeepsTheOldFile) {
  std::filesystem::create_directory(path("dir"));
  auto log = open(path("dir/log"));
  std::filesystem::rename(path("dir"), path("gone"));
  log->reopen();
  await([&] { return log->stats().write_errors == 1; });
  log->shard(0).write(record_of("x"));
  await([&] { return ids_of(content(path("gone/log"))).size() == 1; });
}

// A line longer than PIPE_BUF can be cut by a full pipe; its rest must not begin the next file.
TEST_F(AccessLogTest, AReopenInTheMiddleOfALineStartsWithAWholeLine) {
  int reader = open_small_fifo(path("log"));
  auto log = open(path("log"));
  std::string long_text(kMaxPathBytes, 'x');
  RequestRecord record = record_of("long");
  for (std::string_view RequestRecord::* field :
       {&RequestRecord::path, &RequestRecord::trace_id, &RequestRecord::route, &RequestRecord::service,
        &RequestRecord::endpoint, &RequestRecord::user, &RequestRecord::reason, &RequestRecord::method}) {
    record.*field = long_text;
  }
  for (int i = 0; i < 3; ++i) log->shard(0).write(record);
  await([&] { return log->stats().written_bytes >= 4096; });
  std::filesystem::remove(path("log"));
  log->reopen();
  log->shard(0).write(record_of("after"));
  await([&] { return content(path("log")).find("\"after\"") != std::string::npos; });
  ids_of(content(path("log")));
  close(reader);
}

}  // namespace
}  // namespace lotagate::telemetry
