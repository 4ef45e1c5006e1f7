package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kwok/pkg/utils/patch"
)

const pause = 20 * time.Millisecond

// runReady waits until the API server answers a GET of each path with success,
// and describes each resource, such as certificates.v1.cert-manager.io, so that
// KWOK can read it. It saves a start of kubectl, about 80 ms of a processor, for
// each look.
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

func ready(kubeconfig string, within time.Duration, wanted []string) error {
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
	for _, wanted := range wanted {
		look := func() error { return describes(config, wanted) }
		if strings.HasPrefix(wanted, "/") {
			look = func() error { return get(ctx, client, config.Host+wanted) }
		}
		if err := until(ctx, look); err != nil {
			return fmt.Errorf("%s: %w", wanted, err)
		}
	}
	return nil
}

// describes asks as KWOK does at its start, which ends, or even breaks, if what
// it reads is not whole.
func describes(config *rest.Config, resource string) (err error) {
	defer func() {
		if broke := recover(); broke != nil {
			err = fmt.Errorf("KWOK breaks: %v", broke)
		}
	}()
	wanted, _ := schema.ParseResourceArg(resource)
	if wanted == nil {
		return fmt.Errorf("not a resource, such as certificates.v1.cert-manager.io")
	}
	discovery, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	_, err = patch.NewPatchMetaFromOpenAPI3(discovery.RESTClient()).Lookup(*wanted)
	return err
}

// until looks again and again, and tells the last answer when time is up.
func until(ctx context.Context, look func() error) error {
	var last error
	for {
		err := look()
		if err == nil {
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
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
