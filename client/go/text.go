package hotplate

// Texts that go to the server: a Go string may hold any bytes, the contract's texts are UTF-8.

import "unicode/utf8"

// textFault is what is wrong with the texts of a field, refused before anything is sent: nothing of it says where, as it may be secret.
func textFault(field string, texts ...string) *Error {
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return invalid(field, "the text is not valid UTF-8")
		}
	}
	return nil
}

// firstFault is the first of them that is one, as an error.
func firstFault(faults ...*Error) error {
	for _, fault := range faults {
		if fault != nil {
			return fault
		}
	}
	return nil
}

// texts are all of a map.
func texts(of map[string]string) []string {
	all := make([]string, 0, 2*len(of))
	for name, value := range of {
		all = append(all, name, value)
	}
	return all
}
