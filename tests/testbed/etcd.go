package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// runEtcd serves a single member that never waits for the disk. Its one
// argument is an absolute path: there it keeps its data, and there clients find
// the socket `client`. So it needs no port, and nobody else reaches it.
func runEtcd() int {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kubebed etcd DIRECTORY")
		return 2
	}
	if err := serveEtcd(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		return 1
	}
	return 0
}

func serveEtcd(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	client := url.URL{Scheme: "unix", Path: filepath.Join(dir, "client")}
	peer := url.URL{Scheme: "unix", Path: filepath.Join(dir, "peer")}
	cfg := embed.NewConfig()
	cfg.Name = "testbed"
	cfg.Dir = filepath.Join(dir, "data")
	cfg.ListenClientUrls = []url.URL{client}
	cfg.ListenPeerUrls = []url.URL{peer}
	// Nobody reads what is advertised, and it must look like an address.
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:2379"}}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "localhost:2380"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	// It elects itself, in a tenth of the usual second.
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.LogLevel = "warn"
	// Left at zero, every request is worth a warning.
	cfg.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer etcd.Close()
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(time.Minute):
		return errors.New("not ready after one minute")
	}
	// Whoever started it kills it.
	return <-etcd.Err()
}
