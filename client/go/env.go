package hotplate

// The one place that reads the environment.

import (
	"os"
	"strings"
)

// fromEnvironment is what the environment says, as options; what is set in code comes after them and wins.
func fromEnvironment() (urls string, options []Option, err error) {
	if name := os.Getenv("HOTPLATE_NAMESPACE"); name != "" {
		options = append(options, WithNamespace(name))
	}
	secret := os.Getenv("HOTPLATE_TOKEN")
	if path := os.Getenv("HOTPLATE_TOKEN_FILE"); secret == "" && path != "" {
		if secret, err = fileOf("HOTPLATE_TOKEN_FILE", path); err != nil {
			return "", nil, err
		}
	}
	if secret != "" {
		options = append(options, WithToken(secret))
	}
	if text := os.Getenv("HOTPLATE_CLIENT_PROFILE"); text != "" {
		profile, err := ProfileNamed(text)
		if err != nil {
			return "", nil, err
		}
		options = append(options, WithProfile(profile))
	}
	if text := os.Getenv("HOTPLATE_TIMEOUT"); text != "" {
		timeout, err := ParseDuration(text)
		if err != nil {
			return "", nil, configuration("HOTPLATE_TIMEOUT: %s", asError(err).Message)
		}
		options = append(options, WithTimeout(timeout))
	}
	if path := os.Getenv("HOTPLATE_CA_FILE"); path != "" {
		pem, err := fileOf("HOTPLATE_CA_FILE", path)
		if err != nil {
			return "", nil, err
		}
		options = append(options, WithCA([]byte(pem)))
	}
	return os.Getenv("HOTPLATE_URL"), options, nil
}

// disabledByEnvironment tells whether HOTPLATE_DISABLE asks for a life without cache. What cannot be understood is an error: whoever
// set it meant something by it.
func disabledByEnvironment() (bool, *Error) {
	switch strings.TrimSpace(os.Getenv("HOTPLATE_DISABLE")) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	default:
		return false, configuration("HOTPLATE_DISABLE is `1` or `true`, `0` or `false`")
	}
}

func fileOf(variable, path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", configuration("the file that %s names cannot be read: %v", variable, err)
	}
	return string(content), nil
}
