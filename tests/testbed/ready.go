package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const pause = 20 * time.Millisecond

// runReady waits until the API server answers a GET of each path with success.
// It saves a start of kubectl, about 80 ms of a processor, for each look.
func runReady() int {
	flags := flag.NewFlagSet("ready", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "which server, and who asks")
	within := flags.Duration("within", time.Minute, "for how long")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	if err := ready(*kubeconfig, *within, flags.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "ready:", err)
		return 1
	}
	return 0
}

func ready(kubeconfig string, within time.Duration, paths []string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, path := range paths {
		if err := answers(ctx, client, config.Host+path); err != nil {
			return err
		}
	}
	return nil
}

// answers asks again and again, and tells the last answer when time is up.
func answers(ctx context.Context, client *http.Client, url string) error {
	var last error
	for {
		err := get(ctx, client, url)
		if err == nil {
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", url, errors.Join(ctx.Err(), last))
		case <-time.After(pause):
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}
