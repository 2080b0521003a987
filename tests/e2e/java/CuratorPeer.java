/* Curator's recipes as the other party in the queues of zksup: reads orders from standard input, one
 * a line, and carries each out in a thread of its own:
 *
 *     KIND PATH WHO COUNT LOCKFILE DOOR [N]
 *
 * KIND is mutex, read, write, semaphore (of N) or latch. COUNT times it takes the thing, passes the
 * door (see section.c for what is said there; the token is the id of the session) and gives it back.
 * Prints "session ID" once connected, "done WHO" for each order, or "failed WHO: ...". Ends with its
 * standard input. */
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.retry.RetryOneTime;

public final class CuratorPeer {
    private interface Hold {
        void release() throws Exception;
    }

    private final CuratorFramework client;
    private final long session;

    private CuratorPeer(String connect) throws Exception {
        client = CuratorFrameworkFactory.newClient(connect, 20000, 15000, new RetryOneTime(100));
        client.start();
        client.blockUntilConnected();
        session = client.getZookeeperClient().getZooKeeper().getSessionId();
        System.out.println("session " + session);
    }

    private static Hold acquire(InterProcessLock lock) throws Exception {
        lock.acquire();
        return lock::release;
    }

    private Hold take(String kind, String path, String who, int leases) throws Exception {
        switch (kind) {
        case "mutex":
            return acquire(new InterProcessMutex(client, path));
        case "read":
            return acquire(new InterProcessReadWriteLock(client, path).readLock());
        case "write":
            return acquire(new InterProcessReadWriteLock(client, path).writeLock());
        case "semaphore": {
            Lease lease = new InterProcessSemaphoreV2(client, path, leases).acquire();
            return lease::close;
        }
        case "latch": {
            LeaderLatch latch = new LeaderLatch(client, path, who);
            latch.start();
            latch.await();
            return latch::close;
        }
        default:
            throw new IllegalArgumentException(kind);
        }
    }

    private static boolean isAlone(FileChannel lock, String kind) throws Exception {
        if (kind.equals("semaphore"))
            return true;
        try {
            return lock.tryLock(0, Long.MAX_VALUE, kind.equals("read")) != null;
        } catch (OverlappingFileLockException heldByThisProcess) {
            return false;
        }
    }

    private void section(String kind, String who, String lockFile, String door) throws Exception {
        long begun = System.nanoTime();
        try (FileChannel lock = FileChannel.open(Path.of(lockFile), StandardOpenOption.READ,
                        StandardOpenOption.WRITE, StandardOpenOption.CREATE);
                SocketChannel socket = SocketChannel.open(UnixDomainSocketAddress.of(door))) {
            String line = String.format("%s %s %d %d %d\n", isAlone(lock, kind) ? "enter" : "conflict", who, session,
                    ProcessHandle.current().pid(), begun);
            socket.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.US_ASCII)));
            if (socket.read(ByteBuffer.allocate(1)) != 1)
                throw new IllegalStateException("the door is closed");
        }
    }

    private void carryOut(String[] order) {
        String who = order[2];
        try {
            for (int i = 0; i < Integer.parseInt(order[3]); i++) {
                Hold hold = take(order[0], order[1], who, order.length > 6 ? Integer.parseInt(order[6]) : 1);
                try {
                    section(order[0], who, order[4], order[5]);
                } finally {
                    hold.release();
                }
            }
            System.out.println("done " + who);
        } catch (Exception problem) {
            System.out.println("failed " + who + ": " + problem);
        }
    }

    public static void main(String[] arguments) throws Exception {
        CuratorPeer peer = new CuratorPeer(arguments[0]);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] order = line.split(" ");
            new Thread(() -> peer.carryOut(order)).start();
        }
        System.exit(0);
    }
}
