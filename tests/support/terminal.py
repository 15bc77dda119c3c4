"""Runs a program in a terminal of its own: terminal.py COLUMNS PROGRAM ARGUMENT... What is typed comes from the input."""
import fcntl, os, pty, select, struct, sys, termios

columns, program = int(sys.argv[1]), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    os.execvp(program[0], program)
reading = [terminal, 0]
while True:
    for source in select.select(reading, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:  # of a terminal whose program has ended
            data = b''
        if source == 0:
            if data:
                os.write(terminal, data)
            else:
                reading.remove(0)
        elif data:
            os.write(1, data)
        else:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
