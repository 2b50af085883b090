// The harness of the virtual board: one Verilated top, its clock, a UART at its pins and the
// sample store behind its store port. See virtual.py, which compiles and calls it.
//
// The top sits in a wrapper (virtual.py) that registers every input. So nothing combinational
// hangs on the inputs of the Verilated model, the outputs are final after the one evaluation of
// the clock's edge. All that happens in one cycle:
//
//   outputs of the cycle are there -> the harness decides the inputs of the next -> edge
//
// Without waves every edge of clk begins a cycle (virtual.py says how), which saves one evaluation
// of two; with waves, clk looks as on a board.

#include "Vbench.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#define API extern "C" __attribute__((visibility("default")))

namespace {

// Requests that wait at the store: enough for a core that asks for the next sample early.
constexpr unsigned REQUESTS = 4;
// Length at which a burst is handed over before its end.
constexpr size_t ENOUGH = 65536;

// From the host to pin rx.
struct Sender {
    std::string queue;
    size_t next = 0;
    uint32_t left = 0;   // cycles to the next bit
    uint32_t frame = 0;  // bits still to send, the next one lowest; 0: none

    // Advance by one cycle; changes the pin only at the edges of bits.
    void step(uint8_t& pin, uint32_t divisor) {
        if (left && --left) return;
        if (!frame) {
            if (next == queue.size()) {
                if (next) queue.clear(), next = 0;
                return;
            }
            if (next >= ENOUGH) queue.erase(0, next), next = 0;
            frame = 0x600u | static_cast<uint8_t>(queue[next++]) << 1;  // marker, stop, data, start
        }
        if (frame == 1) {  // Only the marker: the stop bit has been held for its time.
            frame = 0;
            step(pin, divisor);
            return;
        }
        pin = frame & 1;
        frame >>= 1;
        left = divisor;
    }
};

// From pin tx to the host.
struct Receiver {
    std::string queue;
    uint64_t framing_errors = 0;
    uint32_t left = 0;   // cycles to the next sample of the pin
    uint32_t quiet = 0;  // cycles until the burst counts as over
    uint8_t bits = 0;    // samples still to take; 0: wait for a start bit
    uint8_t shift = 0;
    bool broken = false;  // the line has to be high before the next start bit

    // Advance by one cycle; true when the line has been quiet since a byte for long enough.
    bool step(uint8_t pin, uint32_t divisor) {
        if (bits) {
            if (--left) return false;
            left = divisor;
            if (--bits) {
                shift = static_cast<uint8_t>(shift >> 1 | pin << 7);
            } else if (pin) {
                queue.push_back(static_cast<char>(shift));
                quiet = 2 * divisor;
            } else {
                ++framing_errors;
                broken = true;
            }
            return false;
        }
        if (pin) {
            broken = false;
            return quiet && --quiet == 0;
        }
        if (!broken) {
            bits = 9;
            left = divisor + divisor / 2;
        }
        return false;
    }
};

struct Board {
    VerilatedContext context;
    Vbench top{&context};
#if VM_TRACE
    VerilatedVcdC trace;
    bool tracing = false;
#endif
    const uint32_t divisor;
    const uint64_t sample_bytes;
    Sender sender;
    Receiver receiver;
    uint64_t cycles = 0;

    const uint8_t* samples = nullptr;
    uint64_t sample_count = 0;
    uint64_t requests = 0;
    uint64_t out_of_range = 0;
    std::array<uint32_t, REQUESTS> waiting{};
    unsigned first = 0;   // place of the request being answered
    unsigned pending = 0; // requests that wait or are being answered
    uint64_t offset = 0;  // its bytes that have gone

    Board(uint32_t divisor_, uint64_t sample_bytes_)
        : divisor{divisor_}, sample_bytes{sample_bytes_} {
#if VM_TRACE
        context.traceEverOn(true);
#endif
        top.clk = 0;
        top.rx = 1;
        top.request_ready = 0;
        top.data_valid = 0;
        top.data_payload = 0;
        top.eval();
    }

    ~Board() { top.final(); }

    // The store's part of a cycle. The inputs still hold what the core sees in this cycle.
    void serve() {
        if (top.request_valid && top.request_ready) {
            waiting[(first + pending++) % REQUESTS] = top.request_payload;
            ++requests;
            out_of_range += top.request_payload >= sample_count;
        }
        if (top.data_valid && top.data_ready && ++offset == sample_bytes) {
            offset = 0;
            first = (first + 1) % REQUESTS;
            --pending;
        }
        top.request_ready = pending < REQUESTS;
        top.data_valid = pending != 0;
        if (pending) {
            const uint64_t sample = waiting[first];
            top.data_payload = sample < sample_count ? samples[sample * sample_bytes + offset] : 0;
        }
    }

    void cycle() {
#if VM_TRACE
        for (const uint8_t level : {1, 0}) {
            top.clk = level;
            top.eval();
            if (tracing) trace.dump(2 * cycles + !level);
        }
#else
        top.clk = !top.clk;
        top.eval();
#endif
        ++cycles;
    }

    bool run(uint64_t count, bool until_bytes) {
        for (const uint64_t end = cycles + count; cycles != end;) {
            sender.step(top.rx, divisor);
            const bool over = receiver.step(top.tx, divisor);
            if (!top.request_ready || top.request_valid || pending) serve();
            cycle();
            if (until_bytes && (over || receiver.queue.size() >= ENOUGH)) return true;
        }
        return false;
    }
};

}  // namespace

API Board* board_new(uint32_t divisor, uint64_t sample_bytes) {
    return new Board{divisor, sample_bytes};
}

API void board_delete(Board* board) { delete board; }

// Write waves to a file from now on; false if the model was built without.
API int board_trace(Board* board, const char* path) {
#if VM_TRACE
    board->top.trace(&board->trace, 99);
    board->trace.open(path);
    return board->tracing = board->trace.isOpen();
#else
    (void)board, (void)path;
    return false;
#endif
}

API void board_store(Board* board, const uint8_t* samples, uint64_t count) {
    board->samples = samples;
    board->sample_count = count;
}

API void board_write(Board* board, const char* data, uint64_t count) {
    board->sender.queue.append(data, count);
}

// Simulate `cycles` cycles; with `until_bytes` fewer when a burst of bytes ends, then true.
API bool board_run(Board* board, uint64_t cycles, bool until_bytes) {
    return board->run(cycles, until_bytes);
}

// Bytes that wait for the host.
API uint64_t board_waiting(const Board* board) { return board->receiver.queue.size(); }

// Take them: `data` has room for all.
API void board_read(Board* board, char* data) {
    board->receiver.queue.copy(data, board->receiver.queue.size());
    board->receiver.queue.clear();
}

API void board_counters(const Board* board, uint64_t* counters) {
    counters[0] = board->cycles;
    counters[1] = board->requests;
    counters[2] = board->out_of_range;
    counters[3] = board->receiver.framing_errors;
    counters[4] = board->sender.queue.size() - board->sender.next;
}
