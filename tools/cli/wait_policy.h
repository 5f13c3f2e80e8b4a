/* How threads wait for each other. */
#ifndef BNN_TOOLS_CLI_WAIT_POLICY_H
#define BNN_TOOLS_CLI_WAIT_POLICY_H

/* Lets OpenMP's threads sleep soon instead of spinning for milliseconds at the end of each loop:
 * where something else wants the processors too, a spinning thread keeps from work the very one it
 * waits for, and a step takes several times as long. libgomp reads this from the environment
 * before main begins, so the program starts itself anew with it set, once; if that fails it goes
 * on as it is. The process keeps its name. What the user set (OMP_WAIT_POLICY, GOMP_SPINCOUNT) is
 * respected. */
void bnn_wait_politely(char **argv);

#endif
