package config

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
)

// field is one setting inside a Config.
type field struct {
	key   string // section.name
	help  string
	value reflect.Value
}

// fieldsOf lists the settings of a Config in the order of its struct.
func fieldsOf(config *Config) []field {
	var list []field
	sections := reflect.ValueOf(config).Elem()
	for i := range sections.NumField() {
		section := sections.Field(i)
		for j := range section.NumField() {
			tag := section.Type().Field(j).Tag
			list = append(list, field{
				key:   sections.Type().Field(i).Tag.Get("toml") + "." + tag.Get("toml"),
				help:  tag.Get("help"),
				value: section.Field(j),
			})
		}
	}
	return list
}

func (f field) env() string {
	return "ROOMREEL_" + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

func (f field) show() string {
	switch value := f.value.Interface().(type) {
	case []netip.Prefix:
		texts := make([]string, len(value))
		for i, prefix := range value {
			texts[i] = prefix.String()
		}
		return strings.Join(texts, ",")
	case []S3Endpoint:
		if len(value) == 0 {
			return ""
		}
		text, _ := json.Marshal(value) // plain strings and booleans cannot fail
		return string(text)
	default:
		return fmt.Sprint(value)
	}
}

// set takes a text (of the environment or a flag) or a TOML value. The text of an error continues the key's name.
func (f field) set(value any) error {
	switch to := f.value.Addr().Interface().(type) {
	case *[]netip.Prefix:
		return setPrefixes(to, value)
	case *[]S3Endpoint:
		return setEndpoints(to, value)
	}
	text, err := scalar(value)
	if err != nil {
		return err
	}
	switch to := f.value.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		if err := to.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%w%s", err, f.quote(text))
		}
	case *string:
		*to = text
	case *bool:
		if *to, err = strconv.ParseBool(text); err != nil {
			return fmt.Errorf("is not true or false%s", f.quote(text))
		}
	case *int:
		if *to, err = strconv.Atoi(text); err != nil || *to < 0 {
			return fmt.Errorf("is not a whole number from 0%s", f.quote(text))
		}
	}
	return nil
}

// quote returns a wrong value for an error, unless it may hold a secret.
func (f field) quote(text string) string {
	switch f.value.Interface().(type) {
	case Secret, DatabaseURL:
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

func scalar(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case bool, int64, float64:
		return fmt.Sprint(value), nil
	}
	return "", errors.New("is not a single value")
}

func setPrefixes(to *[]netip.Prefix, value any) error {
	var texts []string
	switch value := value.(type) {
	case string:
		if value != "" {
			texts = strings.Split(value, ",")
		}
	case []any:
		for _, item := range value {
			text, ok := item.(string)
			if !ok {
				return errors.New("is not a list of networks in quotes")
			}
			texts = append(texts, text)
		}
	default:
		return errors.New("is not a list of networks in quotes")
	}
	var list []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("has %q, which is not a network such as 10.0.0.0/8 or 192.0.2.7/32", text)
		}
		list = append(list, prefix.Masked())
	}
	*to = list
	return nil
}

// setEndpoints takes the TOML decoder's list of tables, or the same as JSON text. One strict decoder reads both.
func setEndpoints(to *[]S3Endpoint, value any) error {
	text, ok := value.(string)
	if !ok {
		made, err := json.Marshal(value)
		if err != nil {
			return errors.New("is not a list of tables")
		}
		text = string(made)
	}
	if text == "" {
		*to = nil
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var list []S3Endpoint
	if err := decoder.Decode(&list); err != nil {
		return fmt.Errorf("is not a list of tables with host, region, path_style, insecure and ca (%s)",
			strings.TrimPrefix(err.Error(), "json: "))
	}
	*to = list
	return nil
}
