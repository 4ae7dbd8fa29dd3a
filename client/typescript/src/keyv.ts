/** A Keyv store. */
export {};
