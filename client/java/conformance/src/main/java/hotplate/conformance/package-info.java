/** The driver of the conformance suite: it does what it is told and says what came of it. It knows no scenario and judges nothing. */
package hotplate.conformance;
