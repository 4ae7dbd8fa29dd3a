// Package canonical writes one text for one value: JSON as RFC 8785 has it, restricted to what every language can agree
// on. Keys are hashed over this text, so a difference of one byte between two clients is a cache that never hits.
package canonical

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	integerMax = 1<<53 - 1
	depthMax   = 64
)

// NFC is text in Unicode normal form C: what looks the same is the same.
func NFC(text string) string { return norm.NFC.String(text) }

// Parse reads JSON, numbers as they are written. Two names of one object that are the same are refused, and text that is none:
// bytes that are not UTF-8, and halves of surrogate pairs.
func Parse(text []byte) (any, error) {
	if !utf8.Valid(text) || hasHalfPairs(text) {
		return nil, errNoText
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	value, err := next(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the value")
	}
	return value, nil
}

// hasHalfPairs tells whether JSON spells out a half of a surrogate pair without the other. Every backslash is within a string.
func hasHalfPairs(text []byte) bool {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		first, is := escaped(text, at)
		if !is {
			// What is escaped is skipped: it may be a backslash.
			at++
			continue
		}
		at += escapeBytes - 1
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, is := escaped(text, at+1)
		if !is || utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		at += escapeBytes
	}
	return false
}

// escapeBytes is the length of an escape such as \u00e9.
const escapeBytes = 6

// escaped is the code unit that is spelled out here, if one is.
func escaped(text []byte, at int) (rune, bool) {
	if at+escapeBytes > len(text) || text[at] != '\\' || text[at+1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[at+2:at+escapeBytes]), 16, 16)
	return rune(unit), err == nil
}

// Object is a JSON object with the names as they came.
type Object []Member

// Member is one name of an object with its value.
type Member struct {
	Name  string
	Value any
}

func next(d *json.Decoder, depth int) (any, error) {
	// One deeper than is allowed is read, so that writing says what is wrong.
	if depth > depthMax+1 {
		return nil, errTooDeep
	}
	token, err := d.Token()
	if err != nil {
		return nil, errors.New("it has no JSON form")
	}
	open, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	list, object := []any{}, Object{}
	for d.More() {
		member := Member{}
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return nil, errors.New("it has no JSON form")
			}
			member.Name, _ = name.(string)
		}
		if member.Value, err = next(d, depth+1); err != nil {
			return nil, err
		}
		list, object = append(list, member.Value), append(object, member)
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it has no JSON form")
	}
	if open == '{' {
		return object, nil
	}
	return list, nil
}

var (
	errTooDeep    = errors.New("a key parameter is nested deeper than 64")
	errSameNames  = errors.New("two names of a key parameter are the same in normal form")
	errTooLarge   = errors.New("an integer in a key is beyond ±(2^53 - 1): pass it as text")
	errNotANumber = errors.New("a number in a key is not finite")
	errNoText     = errors.New("a text in a key parameter is not valid Unicode")
	errUnknown    = errors.New("a key parameter has no JSON form")
)

// JSON is the canonical text of a value that [Parse] read.
//
// It refuses an integer beyond ±(2^53 - 1), a number that is not finite, nesting beyond 64, and two names of an object
// that are one after normalisation.
func JSON(value any) (string, error) {
	var out strings.Builder
	if err := write(&out, value, 0); err != nil {
		return "", err
	}
	return out.String(), nil
}

func write(out *strings.Builder, value any, depth int) error {
	if depth > depthMax {
		return errTooDeep
	}
	switch v := value.(type) {
	case nil:
		out.WriteString("null")
	case bool:
		out.WriteString(strconv.FormatBool(v))
	case string:
		writeString(out, NFC(v))
	case json.Number:
		text, err := number(v.String())
		if err != nil {
			return err
		}
		out.WriteString(text)
	case []any:
		out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := write(out, item, depth+1); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case Object:
		return writeObject(out, v, depth)
	default:
		return errUnknown
	}
	return nil
}

// writeObject has the names in the order of their UTF-16 code units, as RFC 8785 asks.
func writeObject(out *strings.Builder, object Object, depth int) error {
	type named struct {
		units []uint16
		name  string
		value any
	}
	sorted := make([]named, 0, len(object))
	for _, m := range object {
		name := NFC(m.Name)
		sorted = append(sorted, named{utf16.Encode([]rune(name)), name, m.Value})
	}
	slices.SortStableFunc(sorted, func(a, b named) int { return slices.Compare(a.units, b.units) })
	out.WriteByte('{')
	for i, m := range sorted {
		if i > 0 {
			if m.name == sorted[i-1].name {
				return errSameNames
			}
			out.WriteByte(',')
		}
		writeString(out, m.name)
		out.WriteByte(':')
		if err := write(out, m.value, depth+1); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func writeString(out *strings.Builder, text string) {
	const digits = "0123456789abcdef"
	out.WriteByte('"')
	for _, r := range text {
		switch r {
		case '"':
			out.WriteString(`\"`)
		case '\\':
			out.WriteString(`\\`)
		case '\b':
			out.WriteString(`\b`)
		case '\t':
			out.WriteString(`\t`)
		case '\n':
			out.WriteString(`\n`)
		case '\f':
			out.WriteString(`\f`)
		case '\r':
			out.WriteString(`\r`)
		default:
			if r < ' ' {
				out.WriteString(`\u00`)
				out.WriteByte(digits[r>>4])
				out.WriteByte(digits[r&15])
				continue
			}
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
}

// number is a JSON number as ECMAScript prints it.
func number(text string) (string, error) {
	if !strings.ContainsAny(text, ".eE") {
		integer, err := strconv.ParseInt(text, 10, 64)
		if err != nil || integer > integerMax || integer < -integerMax {
			return "", errTooLarge
		}
		return strconv.FormatInt(integer, 10), nil
	}
	float, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", errNotANumber
	}
	return Float(float)
}

// Float is a number as ECMAScript prints it: the shortest digits that read back as the same.
func Float(float float64) (string, error) {
	if math.IsNaN(float) || math.IsInf(float, 0) {
		return "", errNotANumber
	}
	if float == 0 {
		return "0", nil
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(math.Abs(float), 'e', -1, 64), "e")
	power, err := strconv.Atoi(exponent)
	if err != nil {
		return "", errNotANumber
	}
	digits := strings.Replace(mantissa, ".", "", 1)
	sign := ""
	if float < 0 {
		sign = "-"
	}
	return sign + layOut(digits, power+1), nil
}

// layOut places the decimal point after so many digits, by ECMAScript's rules.
func layOut(digits string, point int) string {
	switch {
	case len(digits) <= point && point <= 21:
		return digits + strings.Repeat("0", point-len(digits))
	case 0 < point && point <= 21:
		return digits[:point] + "." + digits[point:]
	case -6 < point && point <= 0:
		return "0." + strings.Repeat("0", -point) + digits
	}
	exponent := strconv.Itoa(point - 1)
	if point > 0 {
		exponent = "+" + exponent
	}
	if len(digits) == 1 {
		return digits + "e" + exponent
	}
	return digits[:1] + "." + digits[1:] + "e" + exponent
}
