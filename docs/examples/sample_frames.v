// Cuts a stream of bytes into samples: `m_last` is high with every BYTES-th byte. For a DMA that sends
// many samples in one transfer, and knows the end of the transfer alone.
module sample_frames #(parameter BYTES = 113) (
  input clk, input rst,
  input [7:0] s_data, input s_valid, output s_ready,
  output [7:0] m_data, output m_valid, output m_last, input m_ready
);
  reg [15:0] number = 0;
  assign m_data = s_data;
  assign m_valid = s_valid;
  assign s_ready = m_ready;
  assign m_last = number == BYTES - 1;
  always @(posedge clk)
    if (rst)
      number <= 0;
    else if (s_valid & m_ready)
      number <= m_last ? 0 : number + 1;
endmodule
