package hotplate.internal;

import hotplate.MissReason;

/**
 * What came of a guarded call.
 *
 * @param answer what the server answered; null when it was not asked or did not answer
 * @param away why there is no answer, and the caller goes on without; null when there is one
 */
record Attempt<A>(A answer, MissReason away) {}
