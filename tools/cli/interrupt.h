/* Signals as a request to stop at the next good moment: SIGINT and SIGTERM, and those by which a
 * terminal that closes (SIGHUP) and a cluster that wants its machine back (SIGUSR1, SIGUSR2) ask.
 */
#ifndef BNN_TOOLS_CLI_INTERRUPT_H
#define BNN_TOOLS_CLI_INTERRUPT_H

/* The exit status of a program stopped so. */
#define BNN_EXIT_INTERRUPTED 130

/* From now on a reader that is gone and a full file size limit are errors of the write that meets
 * them, not the end of the program. */
void bnn_interrupt_forbid_kills(void);
/* From now on a first signal is only remembered. A second SIGINT or SIGTERM ends the program at
 * once; the others may come twice, as shell and kernel both send SIGHUP. What was ignored at the
 * start of these three (nohup) stays so. */
void bnn_interrupt_catch(void);
/* Has one come? */
int bnn_interrupted(void);
/* One has come to another rank of the same work. */
void bnn_interrupt_share(void);
/* Whatever has come, all was done before it could stop anything. */
void bnn_interrupt_forget(void);

#endif
