// Two machines on one Wishbone bus: `left` in the lower half of the addresses, `right` in the upper.
module two_machines #(parameter BITS = 14) (
  input clk, input rst,
  input wb_cyc, input wb_stb, input wb_we, input [BITS-2:0] wb_adr, input [3:0] wb_sel,
  input [31:0] wb_dat_w, output [31:0] wb_dat_r, output wb_ack, output wb_err, output [1:0] irq
);
  wire upper = wb_adr[BITS-2];
  wire [31:0] dat0, dat1;
  wire ack0, ack1, err0, err1;

  left first (
    .clk(clk), .rst(rst), .wb_cyc(wb_cyc & ~upper), .wb_stb(wb_stb), .wb_we(wb_we),
    .wb_adr(wb_adr[BITS-3:0]), .wb_sel(wb_sel), .wb_dat_w(wb_dat_w), .wb_dat_r(dat0),
    .wb_ack(ack0), .wb_err(err0), .wb_stall(), .irq(irq[0])
  );
  right second (
    .clk(clk), .rst(rst), .wb_cyc(wb_cyc & upper), .wb_stb(wb_stb), .wb_we(wb_we),
    .wb_adr(wb_adr[BITS-3:0]), .wb_sel(wb_sel), .wb_dat_w(wb_dat_w), .wb_dat_r(dat1),
    .wb_ack(ack1), .wb_err(err1), .wb_stall(), .irq(irq[1])
  );
  assign wb_dat_r = upper ? dat1 : dat0;
  assign wb_ack = ack0 | ack1;
  assign wb_err = err0 | err1;
endmodule
