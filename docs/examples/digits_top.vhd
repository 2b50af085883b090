library ieee;
use ieee.std_logic_1164.all;
use work.digits_component.all;

entity digits_top is
  port (
    clk   : in  std_logic;
    cyc   : in  std_logic;
    stb   : in  std_logic;
    we    : in  std_logic;
    adr   : in  std_logic_vector(13 downto 0); -- of a byte
    sel   : in  std_logic_vector(3 downto 0);
    dat_w : in  std_logic_vector(31 downto 0);
    dat_r : out std_logic_vector(31 downto 0);
    ack   : out std_logic;
    err   : out std_logic;
    irq   : out std_logic
  );
end entity;

architecture rtl of digits_top is
  signal starting : std_logic_vector(2 downto 0) := "111";
begin
  process (clk)
  begin
    if rising_edge(clk) then
      starting <= starting(1 downto 0) & '0';
    end if;
  end process;

  machine : digits
    port map (
      clk      => clk,
      rst      => starting(2),
      wb_cyc   => cyc,
      wb_stb   => stb,
      wb_we    => we,
      wb_adr   => adr(13 downto 2),
      wb_sel   => sel,
      wb_dat_w => dat_w,
      wb_dat_r => dat_r,
      wb_ack   => ack,
      wb_err   => err,
      wb_stall => open,
      irq      => irq
    );
end architecture;
